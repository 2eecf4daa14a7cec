import { meter as entriesOf, shortestEntryMs } from '#engine/metering/meter.ts'
import { formatMoney } from '#kit/money.ts'
import type { NewEvent } from '#model/event.ts'
import type { House, Reconciler } from './reconciler.ts'
import { resting } from './resting.ts'

const batch = 1_000
/** Nudged by every lease that ends, it still looks no more often than this, and not all the time. */
const rest = { leastMs: 300, times: 4 }
/** A project's budget warns at this share of it. Of a workload's warns the loop that may end it: `follow`. */
const warnAt = 0.8

/** Writes the ledger: what leases have cost since the last line of theirs. Warns once when a project's budget runs low. */
export const meter: Reconciler = {
  name: 'meter',
  everyMs: 10_000,
  turn: resting(rest, async (house) => {
    const { store, clock } = house
    const now = clock.now()
    const leases = await store.ledger.unmetered(batch)
    const entries = leases.flatMap((lease) => entriesOf(lease, now))
    if (entries.length > 0) await store.ledger.add(entries)
    await warn(new Set(entries.map(({ project }) => project)), house)
    // The oldest come first: when all that was read was due, there may be more of them.
    return { status: `${entries.length} entries`, more: entries.length === batch, at: now + shortestEntryMs }
  }),
}

async function warn(touched: Set<string>, { store, clock }: House): Promise<void> {
  if (touched.size === 0) return
  const spent = await store.ledger.spent('project', [...touched])
  for (const { name, budgetMicros } of await store.projects.list()) {
    const used = spent.get(name) ?? 0n
    if (budgetMicros === null || !touched.has(name) || used < BigInt(Math.floor(budgetMicros * warnAt))) continue
    if (!(await store.ledger.warnOnce(name, clock.now()))) continue
    const message = `project ${name} has spent ${formatMoney(used)} of its budget of ${formatMoney(BigInt(budgetMicros))}`
    const data = { spentMicros: String(used), limitMicros: budgetMicros }
    const event: NewEvent = { type: 'budget.warned', workload: null, project: name, message, data }
    await store.events.add([event], clock.now())
  }
}
