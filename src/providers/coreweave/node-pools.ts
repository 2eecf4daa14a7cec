import { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { NodePool } from '#model/node-pool.ts'
import type { Client } from '#providers/kubernetes/client.ts'
import type { CoreweaveSite } from './config.ts'
import { stepOf } from './instances.ts'

// NodePools of CoreWeave (`compute.coreweave.com/v1alpha1`), objects of the whole cluster. Their fields and conditions are
// those of docs.coreweave.com, "Node Pool reference" and "Node Pool status", as of 2026.

const path = '/apis/compute.coreweave.com/v1alpha1/nodepools'
/** No cluster has as many. */
const mostPools = 500

const nodes = z
  .int()
  .nullish()
  .transform((count) => Math.max(0, count ?? 0))

const Condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().nullish(),
  message: z.string().nullish(),
})

const Wire = z.object({
  metadata: z.object({
    name: z.string(),
    resourceVersion: z.string(),
    annotations: z.record(z.string(), z.string()).nullish(),
  }),
  spec: z.object({
    computeClass: z.string().nullish(),
    instanceType: z.string(),
    /** One of the two is set. */
    targetNodes: z.int().nullish(),
    targetRacks: z.int().nullish(),
    autoscaling: z.boolean().nullish(),
    lifecycle: z.object({ scaleDownStrategy: z.string().nullish() }).nullish(),
  }),
  status: z
    .object({ currentNodes: nodes, conditions: z.array(Condition).nullish() })
    .nullish()
    .transform((status) => status ?? { currentNodes: 0, conditions: [] }),
})
type Wire = z.output<typeof Wire>

export type Pool = NodePool & { instance: string; isSpot: boolean }
/** `unread`: why they cannot be told; a cluster works without. */
export type Pools = { pools: Pool[]; unread: string | null }

type Reading = { client: Client; house: string; site: Pick<CoreweaveSite, 'pools'> }

/** The NodePools of a cluster. That there are none to be read, or not by us, is no failure. */
export async function readPools({ client, house, site }: Reading, signal: AbortSignal): Promise<Outcome<Pools>> {
  const answer = await client.ask({ path: `${path}?limit=${mostPools}`, signal })
  if (answer.ok) {
    const { items } = z.object({ items: z.array(Wire) }).parse(answer.body)
    return succeed({ pools: items.map((one) => poolOf(one, site, house)), unread: null })
  }
  const { fault, refusal } = answer
  if (refusal?.status === 404) return succeed({ pools: [], unread: 'it has no NodePools of CoreWeave' })
  if (refusal?.status === 403)
    return succeed({ pools: [], unread: `its NodePools are not for us to read (${fault.detail})` })
  return { ok: false, fault }
}

/**
 * Asks a pool for so many nodes in all. What we add is noted on the pool in the same change, so that it is known for ours
 * by whoever comes after us, and only that is ever taken back. Idempotent: asked again for the same it changes nothing.
 * `invalid` where that is not ours to ask for; `conflict` where somebody else sets its target, or has just changed it.
 */
export async function setTarget(
  { client, house, site }: Reading,
  { pool: name, nodes: to }: { pool: string; nodes: number },
  signal: AbortSignal,
): Promise<Outcome<NodePool>> {
  const item = `${path}/${encodeURIComponent(name)}`
  const answer = await client.ask({ path: item, signal })
  if (!answer.ok) return { ok: false, fault: answer.fault }
  const found = Wire.parse(answer.body)
  const pool = poolOf(found, site, house)
  const objection = objectionTo(pool, found, to)
  if (objection) return objection
  if (to === pool.target) return succeed(pool)
  const base = pool.target - pool.added
  const { resourceVersion } = found.metadata
  const body = {
    metadata: {
      resourceVersion,
      annotations: { [noteOf(house)]: to === base ? null : JSON.stringify({ base, target: to }) },
    },
    spec: found.spec.targetRacks == null ? { targetNodes: to } : { targetRacks: to / pool.step },
  }
  const changed = await client.ask({ method: 'PATCH', path: item, body, signal })
  return changed.ok ? succeed(poolOf(Wire.parse(changed.body), site, house)) : { ok: false, fault: changed.fault }
}

function objectionTo({ name, target, added, step, most }: Pool, { spec }: Wire, to: number): Outcome<never> | null {
  const said = `sites.yaml lets NodePool ${name} be asked for`
  if (spec.autoscaling === true) return fail('conflict', 'never', `NodePool ${name} has an autoscaler of its own`)
  if (most === undefined) return fail('invalid', 'never', `no \`most\` in ${said} nodes; it is left as it is`)
  if (to % step !== 0) return fail('invalid', 'never', `NodePool ${name} has whole racks of ${step} nodes, not ${to}`)
  if (to > target && to > most) return fail('invalid', 'never', `${said} ${most} nodes, not ${to}`)
  if (to < target - added)
    return fail('invalid', 'never', `${target - added} nodes of NodePool ${name} are not ours to give back`)
  const strategy = spec.lifecycle?.scaleDownStrategy ?? 'IdleOnly'
  if (to < target && strategy !== 'IdleOnly')
    return fail(
      'conflict',
      'never',
      `NodePool ${name} may remove nodes at work (scaleDownStrategy ${strategy}); make it IdleOnly`,
    )
  return null
}

/** The annotation that says what this house has added. Several houses may share a cluster. */
const noteOf = (house: string): string => `isobar.dev/added-${house}`
const Note = z.object({ base: z.int().min(0), target: z.int().min(0) })

function poolOf(
  { metadata: { name, annotations }, spec, status }: Wire,
  { pools }: Reading['site'],
  house: string,
): Pool {
  const { instanceType: instance, targetNodes, targetRacks } = spec
  const step = stepOf(instance)
  const target = Math.max(0, targetNodes ?? (targetRacks ?? 0) * step)
  const most = pools[name]?.most
  const hindered = target > status.currentNodes ? hindranceOf(status.conditions ?? []) : undefined
  return {
    name,
    instance,
    isSpot: spec.computeClass?.toLowerCase() === 'spot',
    target,
    current: status.currentNodes,
    step,
    added: addedBy(annotations?.[noteOf(house)], target),
    ...(most !== undefined && spec.autoscaling !== true && { most }),
    ...(hindered !== undefined && { hindered }),
  }
}

/** Since somebody else changed the target, all of it is theirs. */
function addedBy(note: string | undefined, target: number): number {
  if (note === undefined) return 0
  try {
    const read = Note.safeParse(JSON.parse(note))
    return read.success && read.data.target === target ? Math.max(0, target - read.data.base) : 0
  } catch {
    return 0 // not written by us
  }
}

/** Conditions that say why nodes do not come; of some the reason that they have while all is well. */
const wells: ReadonlyMap<string, string | null> = new Map([
  ['Validated', null],
  ['Valid', null],
  ['Quota', 'Under'],
  ['Capacity', 'Sufficient'],
])

function hindranceOf(conditions: readonly z.output<typeof Condition>[]): string | undefined {
  const hindering = conditions.filter(({ type, status, reason }) => {
    const well = wells.get(type)
    return well !== undefined && (status === 'False' || (well !== null && reason != null && reason !== well))
  })
  const words = hindering.map(
    ({ type, reason, message }) => `${type} ${reason ?? 'False'}${message ? `: ${message}` : ''}`,
  )
  return words.length > 0 ? words.join('; ').slice(0, 500) : undefined
}
