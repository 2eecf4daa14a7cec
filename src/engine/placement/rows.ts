import type { Want } from '#engine/queue/request.ts'
import type { Rule } from '#model/plan.ts'
import { hasCheckpoints, isPlannedToDeadline } from '#model/spec/planned-to-deadline.ts'
import { slotsOf } from '#model/workload.ts'

import type { Bar } from './bars.ts'
import type { Asked } from './facts.ts'
import { planToDeadline } from './deadline.ts'
import { gangOf } from './gang.ts'
import type { Look } from './look.ts'
import { having, looksOf } from './mixing.ts'
import type { Need } from './need.ts'
import { byPreference, inOrderOfNow, type Fit } from './preference.ts'
import { amountsAt } from './quotas.ts'
import { isWithinShare, type Round } from './round.ts'
import { fixedObjection, hasRoom, isBeyond, type Objection } from './rules.ts'

/** All that wait for the same: who comes first of them is asked, and what refuses it refuses the others. */
export type Row = {
  /** As the first of them has it. */
  need: Need
  /** Those of whom it is not decided yet that they are placed, or come back, in their order. */
  members: Asked[]
  /** Every candidate, and what the rules that do not change in this round say against it. */
  looks: Look[]
  objections: Map<Look, Objection>
  /** The ways that are left, best first, and the same for the line. */
  fits: Fit[]
  want: Want
  /** Candidates that one rule alone refuses, by that rule, once somebody asked (`rule-costs.ts`). */
  barred?: Map<Rule, Look[]>
}

/** Everybody who may be placed now, in order; those barred before any candidate is looked at; and the rows of the others. */
export type Queue = {
  waiting: Asked[]
  barred: Map<string, Bar>
  rowOf: Map<string, Row>
}

/** Equal for all who are refused by the same. A smaller last worker of an array is another want of the same family. */
export function keysOf({ workload, replica, need }: Asked, now: number): { key: string; family: string } {
  const { spec, project, priority } = workload
  const size = spec.kind === 'array' ? slotsOf(spec, replica.replica) : 1
  const avoid = Object.keys(replica.avoid).filter((site) => (replica.avoid[site] ?? 0) > now)
  const { nodes, resources, topology, placement, image, data, duration, objective, throughput, deadline } = spec
  const checkpoints = hasCheckpoints(spec) ? (spec.checkpoint.everyMs ?? true) : false
  const roles = spec.kind === 'job' && spec.roles?.map((role) => [role.nodes, role.resources])
  const family =
    need ??
    JSON.stringify([
      project,
      priority,
      nodes,
      resources,
      roles,
      topology,
      placement,
      image,
      data,
      duration,
      objective,
      throughput,
      deadline,
      checkpoints,
      avoid.sort(),
    ])
  // Of copies that are to be spread each workload counts its own; and who has a deadline has done something or not.
  const isItsOwn = placement.spread !== 'none' || isPlannedToDeadline(spec)
  return { key: `${family} ${size}${isItsOwn ? ` ${workload.id}` : ''}`, family }
}

export function rowFor(need: Need, round: Round): Row {
  const objections = new Map<Look, Objection>()
  const looks = looksOf(need, round)
  const fits: Fit[] = []
  for (const look of looks) {
    const objection = fixedObjection(need, look, round)
    if (objection)
      objections.set(look, look.lacksMixing && having.includes(objection.rule) ? ofOneShape(objection) : objection)
    else if (!isBeyond(need, look, round)) fits.push(...fitsAt(need, look))
  }
  fits.sort(byPreference(need, round.prices))
  const isRoom = (look: Look): boolean => hasRoom(need, look, round)
  const planned = planToDeadline(need, { looks, objections, isRoom }, round)
  if (planned) round.planned.set(need.key, planned)
  const options = fits.map(({ look, isClose }) => ({
    cell: look.candidate.ground.number,
    gang: gangOf(need, look, isClose),
    amounts: amountsAt(need, look, round),
  }))
  const { key, family, project, workload } = need
  const want = { key, family, project: project.name, priority: workload.priority, options }
  return { need, members: [], looks, objections, fits, want }
}

const ofOneShape = (objection: Objection): Objection => ({
  ...objection,
  detail: `${objection.detail}; other nodes there have it, and its orders are for nodes of one shape`,
})

/** Where closeness is only preferred, a gang is tried close together everywhere before it is tried apart anywhere. */
function fitsAt({ spec, ranks }: Need, look: Look): Fit[] {
  const { topology } = spec
  const isPreferred = topology && !topology.required && topology.within !== 'site' && ranks > 1
  if (!isPreferred) return [{ look, isClose: true }]
  const apart = { look, isClose: false }
  return look.candidate.ground.names ? [{ look, isClose: true }, apart] : [apart]
}

/** The fits that may be tried now, by number: copies of a workload where fewest of them are, shares of providers kept. */
export function chosenOf({ need, fits }: Row, round: Round): number[] {
  const { spread } = need.spec.placement
  const within = [...fits.keys()].filter((i) => {
    const look = fits[i]?.look
    return look !== undefined && isWithinShare(need, look, round)
  })
  const open = plannedOf(inOrderOfNow({ need, fits }, within, round.prices), { need, fits }, round)
  if (spread === 'none') return open
  const copies = new Map(open.map((i) => [i, copiesBeside(need, fits[i]?.look, round)]))
  const [sites, providers] = [(i: number) => copies.get(i)?.[1] ?? 0, (i: number) => copies.get(i)?.[0] ?? 0]
  return open.toSorted((a, b) => providers(a) - providers(b) || sites(a) - sites(b)) // a stable sort
}

/** Those of them that the plan for its deadline leaves, in its order. */
function plannedOf(open: number[], { need, fits }: Pick<Row, 'need' | 'fits'>, round: Round): number[] {
  const planned = round.planned.get(need.key)
  if (!planned) return open
  const looks = new Set(open.flatMap((i) => fits[i]?.look ?? []))
  return planned.choose([...looks]).flatMap((look) => open.filter((i) => fits[i]?.look === look))
}

/** Copies at the provider, when it is providers over which they are spread, and at the site. */
function copiesBeside({ spec, workload }: Need, look: Look | undefined, { copies }: Round): [number, number] {
  if (!look) return [0, 0]
  const { siteKey, offer } = look.candidate
  const atProvider = copies.get(`${workload.id} ${offer.provider}`) ?? 0
  return [spec.placement.spread === 'provider' ? atProvider : 0, copies.get(`${workload.id} ${siteKey}`) ?? 0]
}
