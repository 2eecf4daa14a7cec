import { entryDueAt, meter as entriesOf, nearly, shortestEntryMs } from '#engine/metering/meter.ts'
import { formatMoney } from '#kit/money.ts'
import type { NewEvent } from '#model/event.ts'
import type { Lease } from '#model/lease.ts'
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
  everyMs: 60_000,
  turn: resting(rest, async (house) => {
    const { store, clock } = house
    const now = clock.now()
    const leases = await store.ledger.unmetered(batch)
    const isAny = leases.some((lease) => entriesOf(lease, now).length > 0)
    const written = isAny ? leases.map((lease) => entriesOf(lease, now, nearly)) : []
    const entries = written.flat()
    if (entries.length > 0) await store.ledger.add(entries)
    await warn(new Set(entries.map(({ project }) => project)), house)
    // Those that are due first come first: when all that was read was due, there may be more of them.
    const isLeft = (_: Lease, at: number): boolean => (written[at]?.length ?? 0) === 0
    const left = leases.filter(isLeft).map((lease) => entryDueAt(lease) ?? Infinity)
    const at = Math.max(Math.min(...left), now + shortestEntryMs)
    return { status: `${entries.length} entries`, more: leases.length === batch && left.length === 0, at }
  }),
}

async function warn(touched: Set<string>, { store, clock }: House): Promise<void> {
  if (touched.size === 0) return
  const projects = (await store.projects.list()).filter(
    ({ name, budgetMicros }) => budgetMicros !== null && touched.has(name),
  )
  if (projects.length === 0) return
  const names = projects.map(({ name }) => name)
  // Others of the project may have run for minutes since their last entry.
  const spent = await store.ledger.spent('project', names, clock.now())
  for (const { name, budgetMicros } of projects) {
    const used = spent.get(name) ?? 0n
    if (budgetMicros === null || used < BigInt(Math.floor(budgetMicros * warnAt))) continue
    if (!(await store.ledger.warnOnce(name, clock.now()))) continue
    const message = `project ${name} has spent ${formatMoney(used)} of its budget of ${formatMoney(BigInt(budgetMicros))}`
    const data = { spentMicros: String(used), limitMicros: budgetMicros }
    const event: NewEvent = { type: 'budget.warned', workload: null, project: name, message, data }
    await store.events.add([event], clock.now())
  }
}
