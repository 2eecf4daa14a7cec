import type { Micros } from '#kit/money.ts'
import type { EgressSteps } from '#model/egress.ts'
import { siteKey, type Site } from '#model/site.ts'

import { egressPrices } from './egress-prices.ts'

const gigabyte = 1_000_000_000n

/**
 * What the first `bytes` of a month cost, rounded down. The price of a transfer is the difference of two of these, so
 * that transfers add up to the bill however they are cut. A GB is 10⁹ bytes, which is never too little.
 */
function bill(steps: EgressSteps, bytes: bigint): Micros {
  let [sum, from] = [0n, 0n]
  for (const { untilGB, microsPerGB } of steps) {
    const until = untilGB === undefined ? bytes : BigInt(untilGB) * gigabyte
    const part = (bytes < until ? bytes : until) - from
    if (part <= 0n) break
    sum += part * BigInt(microsPerGB)
    from += part
  }
  return sum / gigabyte
}

/** What `bytes` cost on top of the `sentBytes` that left before them in the same month. */
export const egressMicros = (steps: EgressSteps, sentBytes: bigint, bytes: bigint): Micros =>
  bill(steps, sentBytes + bytes) - bill(steps, sentBytes)

/**
 * What data pays that leaves one site for another: by the tariffs of the site (for the other site, its provider, one of its
 * jurisdictions or `*`, whichever is told first in this order), else by the list prices of its provider. Undefined where
 * neither is known, which is not nothing.
 */
export function egressSteps(from: Site, to: Site): EgressSteps | undefined {
  const names = [siteKey(to), to.provider, ...to.jurisdictions, '*']
  if (from.egress) {
    const tariffs = new Map(from.egress.map((tariff) => [tariff.to, tariff.steps]))
    return tariffs.get(names.find((name) => tariffs.has(name)) ?? '')
  }
  const list = egressPrices[from.provider]
  const prices = from.provider === to.provider ? list?.between : list?.outside
  return prices?.find((price) => isIn(from, price.from) && isIn(to, price.to))?.steps
}

const isIn = ({ jurisdictions }: Site, where: readonly string[] | undefined): boolean =>
  where === undefined || jurisdictions.some((one) => where.includes(one))
