import type { Entry } from '#model/entry.ts'
import type { CostFilter, CostGroup, Ledger } from '#store/store.ts'
import type { Bill } from './bills.ts'
import type { Memory } from './memory.ts'
import { owedBy } from './owed.ts'
import { leaseOf, type SpentRow } from './rows.ts'
import { all, entryKey, siteOf, spentKey } from './tables.ts'

export const createLedger = (memory: Memory): Ledger => {
  const { leases, spent, read, write } = memory
  return {
    unmetered: (most) => read(() => leases.unmetered.get(all).slice(0, most).map(leaseOf)),
    add: (entries) => write(() => add(memory, entries)),
    spent: (kind, names, until) =>
      read(() => {
        const open = kind === 'project' ? leases.owedOfProject : leases.owedOfWorkload
        const found = [...new Set(names)].flatMap((name): [string, bigint][] => {
          const row = spent.get(spentKey({ kind, name }))
          const its = until === undefined ? [] : open.get(name)
          return row || its.length > 0 ? [[name, (row?.amountMicros ?? 0n) + owedBy(its, until ?? 0)]] : []
        })
        return new Map(found)
      }),
    cost: (filter, groups) => read(() => cost(memory, filter, groups)),
    warnOnce: (project, now) => write(() => warnOnce(memory, { kind: 'project', name: project, now })),
  }
}

/** True for the first that warns of a budget. */
export function warnOnce(
  { spent }: Memory,
  { kind, name, now }: Pick<SpentRow, 'kind' | 'name'> & { now: number },
): boolean {
  const row = spent.get(spentKey({ kind, name }))
  if (!row) spent.insert({ kind, name, amountMicros: 0n, warnedAt: now })
  else if (row.warnedAt === null) spent.update(row, { warnedAt: now })
  else return false
  return true
}

function add(memory: Memory, given: Entry[]): void {
  const { leases, entries } = memory
  for (const [id, some] of Map.groupBy(given, ({ lease }) => lease)) {
    const lease = leases.get(id)
    if (!lease) continue
    // All that was cut from one piece of time or nothing of it: its later part alone would leave a gap. And what begins
    // later than where it is metered to leaves one as well: its begin moved since its time was read.
    const first = Math.min(...some.map(({ from }) => from))
    if (first !== (lease.meteredUntil ?? lease.startedAt ?? first)) continue
    const { endedAt } = lease
    const added = some.filter((entry) => {
      if (entry.to <= entry.from || (endedAt !== null && entry.to > endedAt)) return false
      if (entries.get(entryKey(entry))) return false
      entries.insert({ ...entry })
      return true
    })
    if (added.length > 0) leases.update(lease, { meteredUntil: Math.max(...added.map(({ to }) => to)) })
    for (const { workload, project, amountMicros } of added) {
      spend(memory, { kind: 'workload', name: workload, amountMicros })
      spend(memory, { kind: 'project', name: project, amountMicros })
    }
  }
}

function spend({ spent }: Memory, { kind, name, amountMicros }: Omit<SpentRow, 'warnedAt'>): void {
  const row = spent.get(spentKey({ kind, name }))
  if (row) spent.update(row, { amountMicros: row.amountMicros + amountMicros })
  else spent.insert({ kind, name, amountMicros, warnedAt: null })
}

type Line = Omit<Bill, 'count'> & { from: number }

/** What each group is called by, as text; times are the starts of UTC days and hours. */
const keys: Record<CostGroup, (line: Line) => string> = {
  workload: ({ workload }) => workload,
  project: ({ project }) => project,
  provider: ({ provider }) => provider,
  site: siteOf,
  tier: ({ tier }) => tier,
  day: ({ from }) => new Date(from).toISOString().slice(0, 10),
  hour: ({ from }) => `${new Date(from).toISOString().slice(0, 13)}:00Z`,
}

function cost(memory: Memory, filter: CostFilter, groups: CostGroup[]): Awaited<ReturnType<Ledger['cost']>> {
  const sums = new Map<string, Awaited<ReturnType<Ledger['cost']>>[number]>()
  for (const line of linesOf(memory, filter, groups)) {
    if (filter.project !== undefined && line.project !== filter.project) continue
    if (filter.workload !== undefined && line.workload !== filter.workload) continue
    if (filter.from !== undefined && line.from < filter.from) continue
    if (filter.to !== undefined && line.from >= filter.to) continue
    const names = groups.map((group) => keys[group](line))
    const key = names.join('\n')
    const sum = sums.get(key)
    if (!sum) sums.set(key, { keys: names, amountMicros: line.amountMicros, leaseMs: line.leaseMs })
    else {
      sum.amountMicros += line.amountMicros
      sum.leaseMs += line.leaseMs
    }
  }
  return [...sums.values()].sort((a, b) => compareKeys(a.keys, b.keys))
}

/** Sums are enough where nothing is asked of the time. */
function* linesOf({ entries }: Memory, { from, to }: CostFilter, groups: CostGroup[]): Iterable<Line> {
  if (from === undefined && to === undefined && !groups.includes('day') && !groups.includes('hour'))
    for (const bill of entries.bills.all()) yield { ...bill, from: 0 }
  else for (const entry of entries.all()) yield { ...entry, leaseMs: BigInt(entry.to - entry.from) }
}

function compareKeys(a: readonly string[], b: readonly string[]): number {
  for (const [i, key] of a.entries()) {
    const other = b[i] ?? ''
    if (key !== other) return key < other ? -1 : 1
  }
  return 0
}
