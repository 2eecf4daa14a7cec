import { egressPrices } from '#engine/market/egress-prices.ts'
import type { EgressSteps } from '#model/egress.ts'
import type { Offer } from '#model/offer.ts'
import type { Decision, Placement, RunPrice } from '#model/plan.ts'
import { siteKey, type Site } from '#model/site.ts'
import type { Spec } from '#model/spec/spec.ts'
import { wantedReplicas } from '#model/workload.ts'

import type { Snapshot } from './facts.ts'

const hourMs = 3_600_000
/** Each part of a price is rounded to a micro-dollar. */
const roundedMicros = 3

/** `offers`: all that it stands on, the placement's own first. */
type Placed = { spec: Spec; placement: Placement; site: Site; offers: readonly Offer[] }

/** What is wrong with what a whole run is said to cost: how long it lasts at its speed, its nodes, and its data. */
export function* costs({ sites, sent }: Snapshot, { spec, placement, site, offers }: Placed): Iterable<string> {
  const { run, priceMicros } = placement
  if (!run) return
  const { accelerator = '' } = offers[0]?.shape ?? {}
  const speed = new Map(Object.entries(spec.throughput).map(([model, each]) => [model.toLowerCase(), each]))
  const quietMs = (spec.duration.expectedMs ?? hourMs) / (speed.get(accelerator.toLowerCase()) ?? 1)
  const isSafe = offers.every(({ takenPpm = 0 }) => takenPpm === 0)
  if (run.lastsMs < quietMs || (isSafe && run.lastsMs >= quietMs + 1)) yield 'its run lasts another time at its speed'
  if (run.isHour !== (spec.duration.expectedMs === undefined)) yield 'it is said for how long it runs, and it is not'

  const infos = new Map(sites.map(({ info }) => [siteKey(info), info]))
  const left = new Map(sent)
  let egress = 0
  for (const { site: key = '', sizeMiB = 0 } of spec.data) {
    const from = infos.get(key)
    if (!from || key === siteKey(site)) continue
    const bytes = (BigInt(sizeMiB) * 1_048_576n) / BigInt(spec.kind === 'array' ? Math.max(1, wantedReplicas(spec)) : 1)
    const before = left.get(key) ?? 0n
    left.set(key, before + bytes)
    const steps = stepsOf(from, site)
    if (!steps && !run.unpriced?.includes(key)) yield `nobody is told that it is not known what leaves ${key} for`
    egress += leaves(steps ?? [], Number(before) / 1e9, Number(before + bytes) / 1e9)
  }
  if (Math.abs(run.egressMicros - egress) > roundedMicros * (1 + spec.data.length))
    yield `its data costs ${run.egressMicros} to leave, and not ${egress}`
  const nodes = (priceMicros * run.lastsMs) / hourMs
  const most = nodes + egress + roundedMicros * (1 + spec.data.length)
  if (run.costMicros > most || run.costMicros < egress - roundedMicros)
    yield `its run costs ${run.costMicros}, and not ${most}`
  if (
    !offers.some(({ commitment }) => commitment) &&
    run.costMicros < most - 2 * roundedMicros * (1 + spec.data.length)
  )
    yield `its run costs ${run.costMicros}, though nothing of it is paid for`
}

/** What is paid for the gigabytes from one to another of a month, step by step. */
function leaves(steps: EgressSteps, from: number, to: number): number {
  let [sum, begins] = [0, 0]
  for (const { untilGB = Infinity, microsPerGB } of steps) {
    sum += Math.max(0, Math.min(to, untilGB) - Math.max(from, begins)) * microsPerGB
    begins = untilGB
  }
  return sum
}

function stepsOf(from: Site, to: Site): EgressSteps | undefined {
  const rules = [siteKey(to), to.provider, ...to.jurisdictions, '*']
  if (from.egress) return rules.map((rule) => from.egress?.find((one) => one.to === rule)).find((one) => one)?.steps
  const list = egressPrices[from.provider]
  const all = to.provider === from.provider ? list?.between : list?.outside
  for (const one of all ?? []) if (fits(one.from, from) && fits(one.to, to)) return one.steps
  return undefined
}

const fits = (where: readonly string[] | undefined, { jurisdictions }: Site): boolean =>
  where === undefined || where.some((one) => jurisdictions.includes(one))

/** Whether something that would have done as well is better at what is wanted: at the cost of the run, its end, or both. */
export function* chosen({ objective }: Spec, { placement, alternatives }: Decision): Iterable<string> {
  const worth = ({ costMicros, scarcityMicros, lastsMs }: RunPrice): number => {
    const cost = costMicros + scarcityMicros
    return objective === 'cost' ? cost : objective === 'finish' ? lastsMs : cost * lastsMs
  }
  const own = placement?.run
  for (const { site, tier, shape, run } of alternatives)
    if (run && (!own || worth(run) < worth(own) * (1 - 1e-9)))
      yield `${site} ${tier} ${shape} is better for its ${objective}`
}
