/**
 * What the decisions of `place()` cost across providers, against the linear relaxation of the same market: the whole way
 * of production, from sites, offers and specs through the plan over sites to placements that the checker accepts. All
 * gangs wait at once and can all be placed: some placement was drawn first. `alone`: by prices, without the plan.
 */
import { steeringOf, type SteeringPlan } from '#engine/market/steer.ts'
import { check } from '#engine/placement/check.ts'
import { demandOf } from '#engine/placement/demand.ts'
import type { Snapshot } from '#engine/placement/facts.ts'
import { place } from '#engine/placement/place.ts'
import { createRandom } from '#kit/random.ts'
import type { ProviderName } from '#model/names.ts'
import { overMarkets, type Given } from '#bench/cost/markets.ts'
import { aJob, aNow, aSite, aSnapshot } from '#test/builders.ts'

const providers: readonly ProviderName[] = ['aws', 'azure', 'gcp', 'oci', 'coreweave']
const zones = ['US', 'EU', 'AP']
const shapes = [
  { gpu: 'H100', price: 32 },
  { gpu: 'H200', price: 38 },
  { gpu: 'A100', price: 16 },
] as const
const tiers = [
  { tier: 'committed', price: 0.6, share: 0.3 },
  { tier: 'spot', price: 0.35, share: 0.2 },
  { tier: 'on-demand', price: 1, share: 0.5 },
] as const

type Random = ReturnType<typeof createRandom>
const one = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)] ?? raise()
const raise = (): never => {
  throw new RangeError('an empty list')
}

function sitesOf(random: Random, siteNodes: number) {
  return providers.slice(0, 3 + random.below(3)).flatMap((provider) =>
    Array.from({ length: 1 + random.below(3) }, (_, at) => {
      const nodes = siteNodes + random.below(7 * siteNodes)
      const discount = 0.7 + 0.6 * random.next()
      const offers = tiers.map(({ tier, price, share }) => {
        const shape = one(random, shapes)
        const available = Math.round(nodes * share)
        return {
          tier,
          gpu: shape.gpu,
          gpus: 8,
          divisible: false,
          available,
          price: Number((shape.price * price * discount).toFixed(2)),
          ...(tier === 'committed' ? { commitment: { nodes: available } } : {}),
          ...(tier === 'spot' ? { takenPpm: 200 + random.below(2000) } : {}),
        }
      })
      return aSite({ provider, name: `s${at}`, jurisdictions: [one(random, zones)], offers })
    }),
  )
}

/** Gangs of random kinds where they fit, until so much is taken; then all of them wait. */
function waitingFor(random: Random, sites: Snapshot['sites'], load: number) {
  const left = new Map(
    sites.flatMap(({ site, offers }) =>
      offers.map((offer) => [`${site} ${offer.tier}`, { site, offer, nodes: offer.available ?? 0 }]),
    ),
  )
  const all = [...left.values()].reduce((sum, { nodes }) => sum + nodes, 0)
  const kinds = Array.from({ length: 30 }, (_, at) => ({
    name: `kind-${at}`,
    nodes: one(random, [1, 1, 2, 4, 8, 16, 32]),
    resources: { accelerators: { any: ['H100:8', 'H200:8', 'A100:8'] } },
    duration: { expected: `${1 + random.below(72)}h` },
    throughput: { H100: 1, H200: 1 + 0.4 * random.next(), A100: 0.3 + 0.3 * random.next() },
    checkpoint: { every: '30m' },
    placement: {
      ...(random.below(3) === 0 ? { jurisdictions: [one(random, zones)] } : {}),
      ...(random.below(4) === 0 ? { tiers: ['committed' as const, 'on-demand' as const] } : {}),
    },
    data:
      random.below(3) === 0
        ? [{ name: 'set', location: 's3://set', site: one(random, sites).site, size: `${1 + random.below(30)}TB` }]
        : [],
  }))
  const jobs = []
  let taken = 0
  for (let misses = 0; taken < load * all && misses < 20_000;) {
    const kind = one(random, kinds)
    const at = one(random, [...left.values()])
    const jurisdictions = sites.find(({ site }) => site === at.site)?.info.jurisdictions ?? []
    const { placement } = kind
    const isBarred =
      (placement.jurisdictions && !placement.jurisdictions.some((each) => jurisdictions.includes(each))) ||
      (placement.tiers && !placement.tiers.some((each) => each === at.offer.tier))
    if (isBarred || kind.nodes > at.nodes) {
      misses += 1
      continue
    }
    at.nodes -= kind.nodes
    taken += kind.nodes
    jobs.push(aJob({ ...kind, name: `${kind.name}-${jobs.length}` }))
  }
  return jobs
}

async function measure(seed: string, { load, siteNodes, plan: planOf }: Given) {
  const random = createRandom(seed)
  const sites = sitesOf(random, siteNodes)
  const snapshot = aSnapshot({ sites, waiting: waitingFor(random, sites, load) })
  const demand = demandOf({ snapshot, now: aNow })
  const found = await planOf(demand.market)
  const cost = (plan?: SteeringPlan) => {
    const input = { snapshot, now: aNow, ...(plan && { plan }) }
    const decisions = place(input)
    const wrong = check(input, decisions)
    if (wrong.length > 0) throw new Error(wrong[0])
    const unmet = demand.market.classes.reduce((most, { unmetMicros }) => Math.max(most, unmetMicros), 0)
    const waits = decisions.filter(({ placement }) => placement === null).length
    const paid = decisions.reduce(
      (sum, { placement }) => sum + (placement ? (placement.run?.costMicros ?? 0) : unmet),
      0,
    )
    return { ratio: paid / found.boundMicros, waits }
  }
  const began = performance.now()
  const steered = cost(steeringOf(demand, found, aNow))
  return {
    gangs: snapshot.waiting.length,
    whole: found.wholeBoundMicros / found.boundMicros,
    steered,
    alone: cost(),
    placeMs: performance.now() - began,
  }
}

await overMarkets({
  name: 'place',
  instances: 5,
  measure,
  columns: ({ mean }) => ({
    'alone / LP': mean(({ alone }) => alone.ratio).toFixed(3),
    'whole / LP': mean(({ whole }) => whole).toFixed(4),
    'place() / LP': mean(({ steered }) => steered.ratio).toFixed(4),
    goal: '1.0300',
    'waiting alone': mean(({ alone }) => alone.waits).toFixed(1),
    'waiting steered': mean(({ steered }) => steered.waits).toFixed(1),
  }),
})
