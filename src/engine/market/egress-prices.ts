import type { EgressSteps } from '#model/egress.ts'

/** A price for data that leaves sites in some jurisdictions for sites in others; anywhere where it names none. */
export type EgressPrice = { from?: readonly string[]; to?: readonly string[]; steps: EgressSteps }

/** What a provider takes for data that leaves one of its sites: the first price that fits counts. */
export type EgressPrices = {
  /** To another of its sites. */
  between: readonly EgressPrice[]
  /** To anyone else. */
  outside: readonly EgressPrice[]
  source: string
}

const flat = (microsPerGB: number): EgressSteps => [{ microsPerGB }]
const terabyteGB = 1_024

const america = ['US', 'CA'] as const
const europe = ['EU', 'GB', 'CH', 'NO'] as const
const asia = ['JP', 'KR', 'IN', 'SG', 'HK', 'TW', 'ID'] as const
const main = [...america, ...europe]

/** Where only the first step is known, it stands for all: later ones are cheaper, so it is never too little. */
const elsewhere = (prices: Readonly<Record<string, number>>): EgressPrice[] =>
  Object.entries(prices).map(([country, microsPerGB]) => ({ from: [country], steps: flat(microsPerGB) }))

/**
 * List prices. What is not here is not known to cost nothing: whoever has the contract tells it in `egress` of the site. The
 * prices between regions, and from others than North America and Europe, are those of Skyplane's profiles (NSDI 2023).
 */
export const egressPrices: Readonly<Record<string, EgressPrices>> = {
  aws: {
    between: [
      { from: main, steps: flat(20_000) },
      ...elsewhere({
        JP: 90_000,
        HK: 90_000,
        SG: 90_000,
        KR: 80_000,
        IN: 86_000,
        AU: 98_000,
        ZA: 147_000,
        BH: 110_500,
        BR: 138_000,
      }),
    ],
    outside: [
      {
        from: main,
        steps: [
          { untilGB: 100, microsPerGB: 0 },
          { untilGB: 10 * terabyteGB, microsPerGB: 90_000 },
          { untilGB: 50 * terabyteGB, microsPerGB: 85_000 },
          { untilGB: 150 * terabyteGB, microsPerGB: 70_000 },
          { microsPerGB: 50_000 },
        ],
      },
      ...elsewhere({
        JP: 114_000,
        AU: 114_000,
        HK: 120_000,
        SG: 120_000,
        KR: 126_000,
        IN: 109_300,
        ZA: 154_000,
        BH: 117_000,
        BR: 150_000,
      }),
    ],
    source: 'AWS EC2 on-demand price list, data transfer from us-east-1, as told in 2026-04; Skyplane (NSDI 2023)',
  },
  azure: {
    between: [
      { from: america, to: america, steps: flat(20_000) },
      { from: europe, to: europe, steps: flat(20_000) },
      { from: main, steps: flat(50_000) },
      ...elsewhere({ JP: 80_000, KR: 80_000, AU: 80_000 }),
    ],
    outside: [
      {
        from: main,
        steps: [
          { untilGB: 100, microsPerGB: 0 },
          { untilGB: 10 * terabyteGB, microsPerGB: 87_500 },
          { untilGB: 50 * terabyteGB, microsPerGB: 83_000 },
          { untilGB: 150 * terabyteGB, microsPerGB: 70_000 },
          { microsPerGB: 50_000 },
        ],
      },
      ...elsewhere({ JP: 120_000, KR: 120_000, AU: 120_000 }),
    ],
    source:
      'Azure bandwidth prices from US East as SkyPilot has them (sky/clouds/azure.py, read 2026-11-22); Skyplane (NSDI 2023)',
  },
  coreweave: {
    between: [{ steps: flat(0) }],
    outside: [{ steps: flat(0) }],
    source: 'CoreWeave price list of 2026-09-20: no charge for data that leaves it',
  },
  gcp: {
    between: [
      { from: ['AU'], to: ['AU'], steps: flat(80_000) },
      { from: ['AU'], steps: flat(150_000) },
      { to: ['AU'], steps: flat(150_000) },
      { from: asia, to: asia, steps: flat(50_000) },
      { from: ['ID'], steps: flat(150_000) },
      { to: ['ID'], steps: flat(150_000) },
      { from: ['US'], to: ['US'], steps: flat(10_000) },
      { from: ['CA'], to: ['CA'], steps: flat(10_000) },
      { from: europe, to: europe, steps: flat(20_000) },
      { from: [...main, ...asia, 'BR', 'CL'], to: [...main, ...asia, 'BR', 'CL'], steps: flat(80_000) },
    ],
    outside: [
      {
        from: main,
        steps: [
          { untilGB: terabyteGB, microsPerGB: 120_000 },
          { untilGB: 10 * terabyteGB, microsPerGB: 110_000 },
          { microsPerGB: 80_000 },
        ],
      },
      ...elsewhere({
        IN: 120_000,
        TW: 120_000,
        HK: 120_000,
        BR: 120_000,
        CL: 120_000,
        JP: 140_000,
        ID: 140_000,
        KR: 147_000,
        SG: 190_000,
        AU: 190_000,
      }),
    ],
    source: 'Google Cloud price list of 2026-07-30, worldwide from us-central1; Skyplane (NSDI 2023)',
  },
  // Nobody at hand tells what it takes between its own regions.
  oci: {
    between: [],
    outside: (
      [
        [main, 8_500],
        [['JP', 'KR', 'IN', 'SG', 'AU', 'BR', 'CL'], 25_000],
        [['AE', 'SA', 'IL', 'ZA'], 50_000],
      ] as const
    ).map(([from, microsPerGB]) => ({
      from,
      steps: [{ untilGB: 10 * terabyteGB, microsPerGB: 0 }, { microsPerGB }],
    })),
    source: 'Oracle networking prices by group of regions as SkyPilot has them (sky/clouds/oci.py, read 2026-11-22)',
  },
}
