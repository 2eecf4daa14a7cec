import type { Micros } from '#kit/money.ts'
import type { EgressSteps } from '#model/egress.ts'
import { siteKey, type Site } from '#model/site.ts'

/** What a provider takes for data that leaves one of its sites, with source and date. */
export type EgressPrices = {
  /** To another of its sites on the same continent, and on another one. */
  near: EgressSteps
  far: EgressSteps
  /** To anyone else. */
  outside: EgressSteps
  source: string
}

const gigabyte = 1_000_000_000n
const flat = (microsPerGB: number): EgressSteps => [{ microsPerGB }]

/**
 * List prices of North America and Europe; elsewhere they are higher. A provider that is not here is not known to take
 * nothing: ask whoever has its contract.
 */
export const egressPrices: Readonly<Record<string, EgressPrices>> = {
  aws: {
    near: flat(20_000),
    far: flat(20_000),
    outside: [
      { untilGB: 100, microsPerGB: 0 },
      { untilGB: 10_240, microsPerGB: 90_000 },
      { untilGB: 51_200, microsPerGB: 85_000 },
      { untilGB: 153_600, microsPerGB: 70_000 },
      { microsPerGB: 50_000 },
    ],
    source: 'AWS EC2 on-demand price list, data transfer from us-east-1, as told in 2026-04',
  },
  // Its steps above 10 TB a month are cheaper, and left out: no source at hand gives them in dollars.
  azure: {
    near: flat(20_000),
    far: flat(50_000),
    outside: [{ untilGB: 100, microsPerGB: 0 }, { microsPerGB: 87_500 }],
    source: 'Azure bandwidth prices of eastus and westeurope, as in the profiles of Skyplane (NSDI 2023)',
  },
  coreweave: {
    near: flat(0),
    far: flat(0),
    outside: flat(0),
    source: 'CoreWeave price list of 2026-09-20: no charge for data that leaves it',
  },
  gcp: {
    near: flat(20_000),
    far: flat(80_000),
    outside: [
      { untilGB: 1024, microsPerGB: 120_000 },
      { untilGB: 10_240, microsPerGB: 110_000 },
      { microsPerGB: 80_000 },
    ],
    source:
      'Google Cloud price list of 2026-07-30, worldwide from us-central1; between regions as in Skyplane (NSDI 2023)',
  },
}

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
 * neither is known, and within a site.
 */
export function egressSteps(from: Site, to: Site): EgressSteps | undefined {
  if (siteKey(from) === siteKey(to)) return undefined
  const names = [siteKey(to), to.provider, ...to.jurisdictions, '*']
  if (from.egress) {
    const tariffs = new Map(from.egress.map((tariff) => [tariff.to, tariff.steps]))
    return tariffs.get(names.find((name) => tariffs.has(name)) ?? '')
  }
  const list = egressPrices[from.provider]
  if (from.provider !== to.provider) return list?.outside
  return to.jurisdictions.some((one) => from.jurisdictions.includes(one)) ? list?.near : list?.far
}
