import { egressPrices } from '#engine/market/egress-prices.ts'
import type { Choice, DemandClass, Market, Pool } from '#engine/market/aggregate.ts'
import { priceOf, type Run } from '#engine/market/price.ts'
import { createRandom, type Random } from '#kit/random.ts'

/** Shapes as providers rent them: accelerators of a node, list price of it, speed of common work on it. */
const shapes = [
  { name: 'H100:8', accelerators: 8, dollars: 32, speed: 1000 },
  { name: 'H200:8', accelerators: 8, dollars: 38, speed: 1250 },
  { name: 'A100:8', accelerators: 8, dollars: 16, speed: 420 },
  { name: 'H100:4', accelerators: 4, dollars: 17, speed: 500 },
] as const
const providerNames = ['aws', 'azure', 'gcp', 'oci', 'coreweave', 'nebius', 'lambda', 'crusoe'] as const
const zones = ['US', 'EU', 'AP'] as const
const tiers = [
  { tier: 'committed', price: 0.6, share: 0.3 },
  { tier: 'spot', price: 0.35, share: 0.2 },
  { tier: 'on-demand', price: 1, share: 0.5 },
] as const
const gangSizes = [1, 1, 2, 4, 8, 16, 32, 64]
const hour = 3_600_000

type Place = Pool & { zone: string; shape: (typeof shapes)[number]; price: number; takenPpm: number }

/** A market, and its gangs in the order in which they come. All of them can be placed at once: some placement was drawn first. */
export type Instance = { market: Market; arrivals: number[]; providers: number; nodes: number }

/**
 * Providers × sites × shapes × tiers, filled to `load` with gangs of random classes; the same for the same seed. A site
 * has between one and eight times `siteNodes` of each of its shapes.
 */
export function randomInstance({ seed, load, siteNodes }: { seed: string; load: number; siteNodes: number }): Instance {
  const random = createRandom(seed)
  const providers = 3 + random.below(6)
  const places = providerNames.slice(0, providers).flatMap((provider) => placesOf({ random, provider, siteNodes }))
  const projects = 3 + random.below(4)
  const drafts = Array.from({ length: 24 + random.below(40) }, (_, at) => ({
    name: `class-${at}`,
    project: random.below(projects),
    choices: draft(random, places),
  }))
  const { gangs, held, shares } = plant({ random, places, drafts, load, projects })
  const classes = drafts.map((demand, at): DemandClass => ({
    ...demand,
    gangs: gangs[at] ?? 0,
    unmetMicros: 3 * Math.max(0, ...demand.choices.map(({ costMicros }) => costMicros)),
  }))
  const market: Market = {
    pools: places.map(({ cell, provider, tier, nodes }) => ({ cell, provider, tier, nodes })),
    cells: {},
    projects: held.map((accelerators, at) => ({
      name: `project-${at}`,
      // Two projects of three have a quota, one of two a cap on its largest provider: a little above what was drawn.
      ...(random.below(3) > 0 ? { accelerators: Math.ceil(accelerators * 1.05) } : {}),
      providers: random.below(2) > 0 ? largest(shares[at] ?? new Map()) : {},
    })),
    classes,
  }
  const arrivals = classes.flatMap(({ gangs: count }, index) => Array<number>(count).fill(index))
  shuffle(random, arrivals)
  return { market, arrivals, providers, nodes: places.reduce((sum, { nodes }) => sum + nodes, 0) }
}

function placesOf({ random, provider, siteNodes }: { random: Random; provider: string; siteNodes: number }): Place[] {
  const discount = 0.7 + 0.6 * random.next()
  return Array.from({ length: 1 + random.below(3) }, (_, site) => {
    const zone = zones[random.below(zones.length)] ?? 'US'
    const here = shapes.filter(() => random.below(2) > 0)
    return (here.length > 0 ? here : [shapes[0]]).flatMap((shape) => {
      const [nodes, local] = [siteNodes + random.below(7 * siteNodes), 0.9 + 0.2 * random.next()]
      return tiers.map(({ tier, price, share }) => ({
        cell: `${provider}/${zone}-${site}/${shape.name}`,
        provider,
        tier,
        nodes: Math.round(nodes * share),
        zone,
        shape,
        price: Math.round(shape.dollars * 1e6 * price * discount * local),
        takenPpm: tier === 'spot' ? 200 + random.below(2_000) : 0,
      }))
    })
  }).flat()
}

function draft(random: Random, places: readonly Place[]): Choice[] {
  const nodes = gangSizes[random.below(gangSizes.length)] ?? 1
  const run: Run = { workMs: hour * (1 + random.below(72)), checkpointMs: hour / 2, restartMs: hour / 6 }
  const wants = {
    nodes,
    run,
    zone: random.below(3) === 0 ? zones[random.below(zones.length)] : undefined,
    barred: random.below(4) === 0 ? providerNames[random.below(3)] : undefined,
    spot: random.below(3) > 0,
    dataAt: places[random.below(places.length)],
    terabytes: random.below(2) * random.below(40),
    // How much the newer shapes help differs from work to work.
    bend: 0.7 + 0.6 * random.next(),
  }
  return places.flatMap((place, pool) => choiceOf(wants, place, pool))
}

type Wants = {
  nodes: number
  run: Run
  zone: string | undefined
  barred: string | undefined
  spot: boolean
  dataAt: Place | undefined
  terabytes: number
  bend: number
}

function choiceOf(wants: Wants, place: Place, pool: number): Choice[] {
  const nodes = (wants.nodes * 8) / place.shape.accelerators
  const isAway = wants.dataAt && wants.dataAt.provider !== place.provider
  const away = isAway ? egressPrices[wants.dataAt?.provider ?? '']?.outside[0]?.steps : undefined
  const perNode = (place.shape.speed * 8) / place.shape.accelerators / 1000
  const price = priceOf(wants.run, {
    nodes,
    speedPermille: Math.round(1000 * perNode ** wants.bend),
    priceMicros: BigInt(place.price * nodes),
    takenPpm: place.takenPpm,
    ...(place.tier === 'committed' ? { commitment: { leftNodeMs: BigInt(nodes * 1000 * hour), worthMicros: 0n } } : {}),
    ...(away ? { data: [{ bytes: BigInt(wants.terabytes) * 1_000_000_000_000n, prices: away, sentBytes: 0n }] } : {}),
  })
  if (!price || (place.tier === 'spot' && !wants.spot)) return []
  const barredBy =
    wants.zone !== undefined && wants.zone !== place.zone
      ? 'jurisdictions'
      : wants.barred === place.provider
        ? 'providers'
        : undefined
  return [
    {
      pool,
      nodes,
      accelerators: nodes * place.shape.accelerators,
      costMicros: Number(price.costMicros),
      ...(barredBy === undefined ? {} : { barredBy }),
    },
  ]
}

type Planting = {
  random: Random
  places: readonly Place[]
  drafts: readonly { project: number; choices: readonly Choice[] }[]
  load: number
  projects: number
}

/** Puts gangs of random classes at random places until `load` of all nodes are taken: so much demand, and who has what. */
function plant({ random, places, drafts, load, projects }: Planting) {
  const left = places.map(({ nodes }) => nodes)
  const all = left.reduce((sum, nodes) => sum + nodes, 0)
  const gangs = drafts.map(() => 0)
  const held = Array.from({ length: projects }, () => 0)
  const shares = held.map(() => new Map<string, number>())
  let taken = 0
  for (let misses = 0; taken < load * all && misses < 20_000;) {
    const at = random.below(drafts.length)
    const { project, choices } = drafts[at] ?? { project: 0, choices: [] }
    const choice = choices[random.below(choices.length)]
    if (!choice || choice.barredBy !== undefined || choice.nodes > (left[choice.pool] ?? 0)) {
      misses += 1
      continue
    }
    left[choice.pool] = (left[choice.pool] ?? 0) - choice.nodes
    taken += choice.nodes
    gangs[at] = (gangs[at] ?? 0) + 1
    held[project] = (held[project] ?? 0) + choice.accelerators
    const provider = places[choice.pool]?.provider ?? ''
    shares[project]?.set(provider, (shares[project]?.get(provider) ?? 0) + choice.nodes)
  }
  return { gangs, held, shares }
}

function largest(shares: ReadonlyMap<string, number>): Record<string, number> {
  const [first] = [...shares].sort(([, one], [, other]) => other - one)
  return first ? { [first[0]]: Math.ceil(first[1] * 1.05) } : {}
}

function shuffle(random: Random, list: number[]): void {
  for (let at = list.length - 1; at > 0; at--) {
    const other = random.below(at + 1)
    const [one, two] = [list[at] ?? 0, list[other] ?? 0]
    list[at] = two
    list[other] = one
  }
}
