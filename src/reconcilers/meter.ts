import { meter as entriesOf, shortestEntryMs } from '#engine/metering/meter.ts'
import { formatMoney } from '#kit/money.ts'
import type { Entry } from '#model/entry.ts'
import type { NewEvent } from '#model/event.ts'
import { memory } from './memory.ts'
import type { House, Reconciler } from './reconciler.ts'

const batch = 1_000
/** Nudged by every lease that ends, it still looks no more often than this. */
const restMs = 300
/** A project's budget warns at this share of it; a workload's at what its spec says. */
const projectWarnsAt = 0.8
const mostRemembered = 20_000

type Budget = { limitMicros: number; warnAt: number; project: string } | null

const remembered = memory(() => ({ lastAt: -Infinity, budgets: new Map<string, Budget>() }))

/** Writes the ledger: what leases have cost since the last line of theirs. Warns once when a budget runs low. */
export const meter: Reconciler = {
  name: 'meter',
  everyMs: 10_000,
  async turn(house) {
    const { store, clock } = house
    const before = remembered(house)
    const now = clock.now()
    if (now - before.lastAt < restMs) return { status: 'rested', at: before.lastAt + restMs }
    const leases = await store.ledger.unmetered(batch)
    const entries = leases.flatMap((lease) => entriesOf(lease, now))
    if (entries.length > 0) await store.ledger.add(entries)
    before.lastAt = now
    await warn(entries, house)
    // The oldest come first: when all that was read was due, there may be more of them.
    return { status: `${entries.length} entries`, more: entries.length === batch, at: now + shortestEntryMs }
  },
}

async function warn(entries: Entry[], house: House): Promise<void> {
  if (entries.length === 0) return
  const workloads = new Map<string, NonNullable<Budget>>()
  for (const id of new Set(entries.map(({ workload }) => workload))) {
    const budget = await budgetOf(id, house)
    if (budget) workloads.set(id, budget)
  }
  const touched = new Set(entries.map(({ project }) => project))
  const projects = new Map<string, NonNullable<Budget>>()
  for (const { name, budgetMicros } of await house.store.projects.list())
    if (budgetMicros !== null && touched.has(name))
      projects.set(name, { limitMicros: budgetMicros, warnAt: projectWarnsAt, project: name })
  await warnOf('workload', workloads, house)
  await warnOf('project', projects, house)
}

/** A spec never changes, so its budget is read once. */
async function budgetOf(id: string, house: House): Promise<Budget> {
  const { budgets } = remembered(house)
  const known = budgets.get(id)
  if (known !== undefined) return known
  const workload = await house.store.workloads.get(id)
  const field = workload?.spec.budget
  const budget =
    workload && field ? { limitMicros: field.limitMicros, warnAt: field.warnAt, project: workload.project } : null
  if (budgets.size >= mostRemembered) budgets.clear()
  budgets.set(id, budget)
  return budget
}

async function warnOf(
  kind: 'workload' | 'project',
  budgets: Map<string, NonNullable<Budget>>,
  { store, clock }: House,
): Promise<void> {
  if (budgets.size === 0) return
  const spent = await store.ledger.spent(kind, [...budgets.keys()])
  for (const [name, { limitMicros, warnAt, project }] of budgets) {
    const used = spent.get(name) ?? 0n
    if (used < BigInt(Math.floor(limitMicros * warnAt))) continue
    if (!(await store.ledger.warnOnce(kind, name, clock.now()))) continue
    const message = `${kind} ${name} has spent ${formatMoney(used)} of its budget of ${formatMoney(BigInt(limitMicros))}`
    const data = { spentMicros: String(used), limitMicros }
    const event: NewEvent = {
      type: 'budget.warned',
      workload: kind === 'workload' ? name : null,
      project,
      message,
      data,
    }
    await store.events.add([event], clock.now())
  }
}
