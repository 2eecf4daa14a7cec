/**
 * How long to wait before try number `tries` (1 for the first retry): doubling from `firstMs` to `mostMs`, spread over
 * half its length by a fraction in [0, 1) that the caller derives from the row, so that deciders stay pure.
 */
export function backoffMs(options: { tries: number; firstMs: number; mostMs: number; spread: number }): number {
  const { tries, firstMs, mostMs, spread } = options
  const full = Math.min(mostMs, firstMs * 2 ** Math.min(tries - 1, 30))
  return Math.round(full * (1 - spread / 2))
}
