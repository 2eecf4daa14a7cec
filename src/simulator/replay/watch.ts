import { migProfiles } from '#engine/sharing/mig-cuts.ts'
import type { Project, Quota } from '#model/project.ts'
import type { Fleet } from '#simulator/scenario/fleet.ts'
import type { Unit } from '#simulator/traces/job.ts'

import { broken } from './broken-rule.ts'
import type { JobRecord } from './job-record.ts'

/** Whoever decides, and whatever happens: looks from beside, and throws a `BrokenRule` that names the fewest facts. */
export type Watch = {
  closed(node: number, change: 1 | -1): void
  refused(group: number, change: 1 | -1): void
  repriced(group: number, priceMicros: number): void
  /** A job started just now. */
  started(record: JobRecord): void
  /** A moment is over, and so many jobs have arrived. */
  look(records: readonly JobRecord[], moment: { now: number; arrived: number }): void
}

type Options = {
  every: number
  /** Whose quotas, allow-lists and highest prices are kept to. */
  terms: readonly Project[]
  /** Nobody ends after its deadline. */
  keepsDeadlines: boolean
}

/**
 * It shares no code with the floor or with any policy, and counts everything anew whenever it looks: at every moment, or
 * at about every `every`-th one, for looking takes as long as there are jobs that are not over.
 */
export function createWatch({ groups, nodes }: Fleet, { every, terms, keepsDeadlines }: Options): Watch {
  const closed = new Int16Array(nodes)
  const refusing = new Int16Array(groups.length)
  const homes = new Int32Array(nodes)
  for (const { number, first, count } of groups) homes.fill(number, first, first + count)
  const groupAt = (node: number) => groups[homes[node] ?? -1] ?? broken(`there is no node ${node}`)
  const site = { groupAt, closed }
  const limits = limitsOf(terms)
  const policies = new Map(terms.map(({ name, policy }) => [name, policy]))
  const prices = groups.map(({ priceMicros }) => priceMicros)
  let moments = 0
  /** So many had arrived at the last look, and of these were open then: who is over is looked at once after its end. */
  let seen = 0
  let open: readonly JobRecord[] = []

  return {
    closed: (node, change) => (closed[node] = (closed[node] ?? 0) + change),
    refused: (group, change) => (refusing[group] = (refusing[group] ?? 0) + change),
    repriced: (group, priceMicros) => (prices[group] = priceMicros),
    started(record) {
      const group = groupAt(record.spots[0] ?? -1)
      if (refusing[group.number]) broken(`${record.job.id} starts in ${nameOf(group)}, which takes nothing new`)
      stands(record, site)
      const policy = policies.get(record.job.project)
      if (policy) isAllowed(record, { group, policy, priceMicros: prices[group.number] ?? 0 })
    },
    look(records, { now, arrived }) {
      if (moments++ % every !== 0) return
      const used = new Float64Array(nodes)
      const shared = new Map<string, Shared>()
      const there = [...open, ...records.slice(seen, arrived)]
      for (const record of there) {
        adds(record, now)
        if (keepsDeadlines) isInTime(record)
        if (record.state !== 'running') continue
        stands(record, site)
        // Whoever shares an accelerator has it with the first of them.
        if (record.place && sharesWithOthers(record, shared, groupAt)) continue
        for (let i = 0; i < record.spots.length; i += 2) {
          const node = record.spots[i] ?? 0
          used[node] = (used[node] ?? 0) + (record.spots[i + 1] ?? 0)
          if ((used[node] ?? 0) > groupAt(node).size) broken(twice(there, node, groupAt(node)))
        }
      }
      if (limits.length > 0) quotasHold(there, limits, groupAt)
      seen = arrived
      open = there.filter(({ state }) => state !== 'ended' && state !== 'refused')
    },
  }
}

type Site = { groupAt: (node: number) => Fleet['groups'][number]; closed: Int16Array }

/** A gang is whole, on nodes of one group that are in use, and where and as it asks to be. */
function stands(record: JobRecord, { groupAt, closed }: Site): void {
  const { job, spots } = record
  const { id, unit, amount, ranks, within } = job
  const group = groupAt(spots[0] ?? -1)
  let [sum, odd] = [0, 0]
  for (let i = 0; i < spots.length; i += 2) {
    const node = spots[i] ?? -1
    const part = spots[i + 1] ?? 0
    if (node < group.first || node >= group.first + group.count)
      broken(`${id} stands in ${nameOf(group)} and on node ${node}, which is not of it`)
    if (part <= 0) broken(`${id} has ${part} of node ${node}`)
    if (closed[node]) broken(`${id} is on node ${node} of ${nameOf(group)}, which is out of use`)
    if (ranks > 0 && part % (amount / ranks) !== 0) odd++
    sum += part
  }
  if (!isInOneDomain(spots, group, within))
    broken(`${id} stands in several domains of ${domainOf(group, within)} nodes: ${spots.join(' ')}`)
  if (group.unit !== unit) broken(`${id} asks for ${unit} and is on ${nameOf(group)}, which has ${group.unit}`)
  if (sum !== amount) broken(`${id} asks for ${amount} and has ${sum}: a gang is whole or not there`)
  if (odd > 0) broken(`${id} asks for ${ranks} equal ranks, and has ${spots.join(' ')} (node, part, …)`)
}

type Allowing = { group: Fleet['groups'][number]; policy: Project['policy']; priceMicros: number }

/** Where its project allows it, and for no more than it may cost: of a node it pays for the part that a rank has. */
function isAllowed({ job, demand }: JobRecord, { group, policy, priceMicros }: Allowing): void {
  const { jurisdictions, providers, sites, maxPriceMicros = Number.POSITIVE_INFINITY } = policy
  const stays = (allowed: readonly string[] | undefined, has: readonly string[]): void => {
    if (allowed && !has.some((one) => allowed.includes(one)))
      broken(`${job.id} starts in ${nameOf(group)}, and ${job.project} allows only ${allowed.join(', ')}`)
  }
  stays(jurisdictions, group.jurisdictions)
  stays(providers, [group.provider])
  stays(sites, [group.site])
  const each = job.ranks > 0 ? job.amount / job.ranks : Math.min(group.size, job.amount)
  const costs = Math.ceil((priceMicros * each * demand.milli) / group.size / 1000)
  if (costs > maxPriceMicros)
    broken(`${job.id} costs ${costs} µ$ a node in ${nameOf(group)}, and ${job.project} pays ${maxPriceMicros}`)
}

const domainOf = ({ domains, count }: Fleet['groups'][number], within: number): number =>
  within === 0 ? count : (domains[within - 1] ?? domains.at(-1) ?? 1)

function isInOneDomain(spots: JobRecord['spots'], group: Fleet['groups'][number], within: number): boolean {
  const size = domainOf(group, within)
  const start = group.first + Math.floor(((spots[0] ?? 0) - group.first) / size) * size
  for (let i = 0; i < spots.length; i += 2) {
    const node = spots[i] ?? 0
    if (node < start || node >= start + size) return false
  }
  return true
}

/** What stands on one shared accelerator: thousandths, or slices of memory that are taken. */
type Shared = { milli: number; slices: Set<number>; isCut: boolean }

/** Adds a share to its accelerator, which has room for it; whether others were on it before. */
function sharesWithOthers(
  { job, demand, spots, place }: JobRecord,
  all: Map<string, Shared>,
  groupAt: Site['groupAt'],
): boolean {
  const node = spots[0] ?? -1
  const key = `${node} ${place?.device}`
  const known = all.get(key)
  const profile = demand.part?.profile
  const one = known ?? { milli: 0, slices: new Set(), isCut: profile !== undefined }
  all.set(key, one)
  const { accelerator: model = '', acceleratorMemoryMiB: memoryMiB = 0 } = groupAt(node)
  const cut = profile === undefined ? undefined : migProfiles({ model, memoryMiB }).get(profile)
  if (one.isCut !== (cut !== undefined))
    broken(
      `${job.id} has a ${cut ? 'slice' : 'fraction'} of an accelerator of node ${node} that is ${cut ? 'shared in fractions' : 'cut'}`,
    )
  if (!cut) one.milli += demand.milli
  for (let slice = 0; slice < (cut?.memory ?? 0); slice++) {
    const at = (place?.start ?? 0) + slice
    if (one.slices.has(at)) broken(`${job.id} has slice ${at} of an accelerator of node ${node}, and so has another`)
    one.slices.add(at)
  }
  if (one.milli > 1000)
    broken(
      `of one accelerator of node ${node} ${one.milli} thousandths are given, ${demand.milli} of them to ${job.id}`,
    )
  return known !== undefined
}

const nameOf = ({ site, shape }: Fleet['groups'][number]): string => `${site} ${shape}`

function twice(records: readonly JobRecord[], node: number, group: Fleet['groups'][number]): string {
  const there = records
    .filter(({ state, spots }) => state === 'running' && spots.some((one, i) => i % 2 === 0 && one === node))
    .map(({ job, spots }) => `${job.id} ${spots[spots.findIndex((one, i) => i % 2 === 0 && one === node) + 1]}`)
  return `node ${node} of ${nameOf(group)} has ${group.size}, and given is ${there.join(' and ')}`
}

/** What quotas speak of: what somebody may hold of it, and what a job holds that runs in a group. Domains in millionths. */
const resources = [
  { what: 'accelerators', of: (quota: Quota) => quota.accelerators, held: unitsOf('gpu') },
  { what: 'cpuMilli', of: (quota: Quota) => quota.cpuMilli, held: unitsOf('cpu') },
  {
    what: 'nodes',
    of: (quota: Quota) => quota.nodes,
    held: ({ demand: { amount, ranks } }: JobRecord, { size }: Group) => (ranks > 0 ? ranks : Math.ceil(amount / size)),
  },
  { what: 'nvlink', of: (quota: Quota) => millionths(quota.domains?.nvlink), held: domainsOf(0) },
  { what: 'block', of: (quota: Quota) => millionths(quota.domains?.block), held: domainsOf(1) },
] as const

type Held = (record: JobRecord, group: Group) => number
type Group = Fleet['groups'][number]

function unitsOf(unit: Unit): Held {
  return ({ demand }) => (demand.unit === unit ? (demand.amount * demand.milli) / 1000 : 0)
}

/** In parts of the largest domain of the level, or of the widest level below it; a node where there is none. */
function domainsOf(level: number): Held {
  return ({ demand: { amount, milli } }, { size, count, domains }) => {
    const nodes = Math.min(count, domains[Math.min(level, domains.length - 1)] ?? 1)
    return Math.floor(((amount * milli) / 1000 / size / nodes) * 1e6)
  }
}

const millionths = (domains: number | undefined): number | undefined => domains && domains * 1e6

/** The most of a resource that a project and those below it may hold together. */
type Limit = { name: string; what: string; most: number; among: ReadonlySet<string> }

/** What a tree of projects has together, nobody in it exceeds; nor anyone what is its own and what it may borrow. */
function limitsOf(terms: readonly Project[]): Limit[] {
  const below = (name: string): Project[] =>
    terms.flatMap((one) => (one.parent === name ? [one, ...below(one.name)] : []))
  const rootOf = (project: Project): Project => {
    const parent = terms.find(({ name }) => name === project.parent)
    return parent ? rootOf(parent) : project
  }
  return terms.flatMap((project) => {
    const own = [project, ...below(project.name)]
    const among = new Set(own.map(({ name }) => name))
    const tree = [rootOf(project), ...below(rootOf(project).name)]
    return resources.flatMap(({ what, of }) => {
      if (tree.every(({ quota }) => of(quota) === undefined)) return []
      const has = own.reduce((sum, { quota }) => sum + (of(quota) ?? 0), 0)
      const more = project.parent === null ? 0 : (of(project.borrowing) ?? Number.POSITIVE_INFINITY)
      return [{ name: project.name, what, most: has + more, among }]
    })
  })
}

function quotasHold(records: readonly JobRecord[], limits: readonly Limit[], groupAt: Site['groupAt']): void {
  const held = new Map<string, number>()
  const limited = resources.filter(({ what }) => limits.some((one) => one.what === what))
  for (const record of records) {
    const { state, job, spots } = record
    if (state !== 'running') continue
    const group = groupAt(spots[0] ?? -1)
    for (const { what, held: heldBy } of limited) {
      const key = `${what} ${job.project}`
      held.set(key, (held.get(key) ?? 0) + heldBy(record, group))
    }
  }
  for (const { name, what, most, among } of limits) {
    let used = 0
    for (const one of among) used += held.get(`${what} ${one}`) ?? 0
    if (used > most) broken(`${name} holds ${used} ${what}, and may hold ${most}`)
  }
}

function isInTime({ job: { id, deadlineMs }, state, endsAtMs }: JobRecord): void {
  if (deadlineMs !== null && state === 'ended' && endsAtMs > deadlineMs)
    broken(`${id} was to end by ${deadlineMs} and did at ${endsAtMs}: it was started too late`)
}

/** Time on nodes is work that is done, work that was lost, and starts; nothing else, and nothing is missing. */
function adds(record: JobRecord, now: number): void {
  const { job, state, spots, heldMs, doneMs, lostMs, startupMs } = record
  const isOn = state === 'running'
  if (spots.length > 0 !== isOn) broken(`${job.id} is ${state} and has ${spots.length / 2} nodes`)
  if (heldMs !== doneMs + lostMs + startupMs)
    broken(`${job.id} held nodes for ${heldMs} ms, and did ${doneMs}, lost ${lostMs}, spent ${startupMs} on starts`)
  if (doneMs > job.durationMs || (state === 'ended' && doneMs < job.durationMs))
    broken(`${job.id} is ${state}, takes ${job.durationMs} ms and did ${doneMs}`)
  const runs = record.starts - record.preemptions - record.losses
  if (runs !== Number(isOn || state === 'ended')) broken(`${job.id} is ${state} after ${runs} runs nobody cut short`)
  if (isOn && (record.startedAtMs > now || record.endsAtMs < now)) broken(`${job.id} runs at ${now}, beyond its time`)
}
