import { meter as entriesOf, shortestEntryMs } from '#engine/metering/meter.ts'
import { formatMoney } from '#kit/money.ts'
import type { Entry } from '#model/entry.ts'
import type { NewEvent } from '#model/event.ts'
import type { Budget } from '#store/store.ts'
import type { House, Reconciler } from './reconciler.ts'
import { resting } from './resting.ts'

const batch = 1_000
/** Nudged by every lease that ends, it still looks no more often than this, and not all the time. */
const rest = { leastMs: 300, times: 4 }
/** A project's budget warns at this share of it; a workload's at what its spec says. */
const projectWarnsAt = 0.8

/** Writes the ledger: what leases have cost since the last line of theirs. Warns once when a budget runs low. */
export const meter: Reconciler = {
  name: 'meter',
  everyMs: 10_000,
  turn: resting(rest, async (house) => {
    const { store, clock } = house
    const now = clock.now()
    const leases = await store.ledger.unmetered(batch)
    const entries = leases.flatMap((lease) => entriesOf(lease, now))
    if (entries.length > 0) await store.ledger.add(entries)
    await warn(entries, house)
    // The oldest come first: when all that was read was due, there may be more of them.
    return { status: `${entries.length} entries`, more: entries.length === batch, at: now + shortestEntryMs }
  }),
}

async function warn(entries: Entry[], house: House): Promise<void> {
  if (entries.length === 0) return
  const workloads = await house.store.ledger.budgets([...new Set(entries.map(({ workload }) => workload))])
  const touched = new Set(entries.map(({ project }) => project))
  const projects = new Map<string, Budget>()
  for (const { name, budgetMicros } of await house.store.projects.list())
    if (budgetMicros !== null && touched.has(name))
      projects.set(name, { limitMicros: budgetMicros, warnAt: projectWarnsAt, project: name })
  await warnOf('workload', workloads, house)
  await warnOf('project', projects, house)
}

async function warnOf(
  kind: 'workload' | 'project',
  budgets: Map<string, Budget>,
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
