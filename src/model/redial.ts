import { backoffMs } from '#kit/backoff.ts'

/**
 * How long an agent waits before try number `tries` (1 for the first) to reach a control plane that was there before; `spread` in
 * [0, 1). Where one dies that a thousand agents of its machine dial, it has to come back beside all their tries, 2 ms of a
 * processor each; and it takes a second to.
 */
export const redialMs = (tries: number, spread: number): number =>
  backoffMs({ tries, firstMs: 500, mostMs: 2000, spread })
