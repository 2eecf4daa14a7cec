import { costMicros, formatMoney } from '#kit/money.ts'
import type { Entry } from '#model/entry.ts'
import type { Shape } from '#model/resources.ts'
import { sharePrice } from '#providers/simulated/machines.ts'
import type { RowChange } from './changes.ts'
import type { Invariant, Seen } from './invariant.ts'
import { spentKey, type LeaseRow } from './tables.ts'

/** Lines of the ledger are added, and never changed or taken away; nor is what a lease is billed by. */
export const entriesNeverChange = (): Invariant => ({
  name: 'entries, prices and starts never change',
  rule: 9,
  when: 'always',
  check: ({ changes }) => [
    ...changes.entries.flatMap(({ key, before }) => (before ? [`entry ${key} was changed or taken away`] : [])),
    ...changes.leases.flatMap(repriced),
  ],
})

/** Of what stood in line its site says later when it was held; until anything is written for it that may be earlier. */
const mayMoveBack = (before: Readonly<LeaseRow>, { startedAt }: Readonly<LeaseRow>): boolean =>
  before.meteredUntil === before.startedAt && startedAt !== null && startedAt < (before.startedAt ?? 0)

function repriced({ key, before, after }: RowChange<LeaseRow>): string[] {
  if (!before || !after) return []
  const isSame = before.startedAt === null || before.startedAt === after.startedAt
  const isLess = (before.meteredUntil ?? 0) > (after.meteredUntil ?? 0)
  return [
    ...(before.priceMicros === after.priceMicros ? [] : [`lease ${key} has another price`]),
    ...(isSame || mayMoveBack(before, after) ? [] : [`lease ${key} began at another time`]),
    ...(isSame && isLess ? [`lease ${key} is metered less than before`] : []),
    ...(after.endedAt === null || (after.meteredUntil ?? 0) <= after.endedAt
      ? []
      : [`lease ${key} is metered past its end`]),
  ]
}

type Billed = { until: number; sum: bigint }

/** The entries of a lease lie end to end from its start, and add up to what its time costs, to the micro-dollar. */
export function theLedgerIsExact(): Invariant {
  const billed = new Map<string, Billed>()
  return {
    name: 'the ledger has each lease to the micro-dollar',
    rule: 9,
    when: 'always',
    check({ changes, tables }) {
      const forgotten = new Map(
        changes.leases.flatMap(({ key, before, after }) => (before && !after ? [[key, before] as const] : [])),
      )
      // What began, ended and was forgotten since the last look was never seen to begin.
      const wasUnseen = (lease: string) => forgotten.get(lease)?.startedAt === null
      const added = changes.entries.flatMap(({ before, after }) =>
        before === null && after && !wasUnseen(after.lease) ? [after] : [],
      )
      const breaches = [...Map.groupBy(added, ({ lease }) => lease)].flatMap(([lease, entries]) =>
        entries
          .sort((a, b) => a.from - b.from)
          .flatMap((entry) => enter(billed, entry, tables.leases.get(lease) ?? forgotten.get(lease))),
      )
      const touched = new Set([...added.map(({ lease }) => lease), ...changes.leases.map(({ key }) => key)])
      for (const key of forgotten.keys()) billed.delete(key)
      return [...breaches, ...[...touched].flatMap((id) => unlike(tables.leases.get(id), billed.get(id)))]
    },
  }
}

function enter(billed: Map<string, Billed>, { lease: id, ...entry }: Entry, lease: LeaseRow | undefined): string[] {
  if (!lease || lease.startedAt === null) return [`lease ${id} has an entry, and never began`]
  const { until, sum } = billed.get(id) ?? { until: lease.startedAt, sum: 0n }
  billed.set(id, { until: Math.max(until, entry.to), sum: sum + entry.amountMicros })
  const isItsOwn = (['workload', 'project', 'provider', 'site', 'tier'] as const).every((of) => entry[of] === lease[of])
  return [
    ...(entry.from === until
      ? []
      : [`an entry of lease ${id} begins at ${entry.from}, and the one before ended at ${until}`]),
    ...(entry.to > entry.from ? [] : [`an entry of lease ${id} is of no time`]),
    ...(isItsOwn ? [] : [`an entry of lease ${id} is booked on somebody else`]),
  ]
}

function unlike(lease: LeaseRow | undefined, billed: Billed | undefined): string[] {
  if (!lease) return []
  const { id, priceMicros, startedAt, meteredUntil } = lease
  if (startedAt === null || meteredUntil === null)
    return billed || startedAt !== meteredUntil
      ? [`lease ${id} began at ${startedAt}, metered until ${meteredUntil}`]
      : []
  const { until, sum } = billed ?? { until: startedAt, sum: 0n }
  const owed = costMicros(BigInt(priceMicros), meteredUntil - startedAt)
  return [
    ...(until === meteredUntil
      ? []
      : [`lease ${id} is metered until ${meteredUntil}, and its entries end at ${until}`]),
    ...(sum === owed
      ? []
      : [`the ledger has ${formatMoney(sum)} of lease ${id}, whose time costs ${formatMoney(owed)}`]),
  ]
}

/** What is kept as spent is the sum of the entries, of each workload and of each project. */
export function spentIsTheSum(): Invariant {
  const sums = new Map<string, bigint>()
  return {
    name: 'what is spent is the sum of the entries',
    rule: 9,
    when: 'always',
    check({ changes, tables }) {
      const touched = new Set(changes.spent.flatMap(({ key, after }) => (after ? [key] : [])))
      for (const { before, after } of changes.entries) {
        const entry = after ?? before
        const amount = (after?.amountMicros ?? 0n) - (before?.amountMicros ?? 0n)
        if (!entry) continue
        for (const key of [spentKey('workload', entry.workload), spentKey('project', entry.project)]) {
          sums.set(key, (sums.get(key) ?? 0n) + amount)
          touched.add(key)
        }
      }
      // Who was forgotten since the last look may have been billed since then, too.
      for (const { key, after } of changes.workloads) if (after === null) touched.delete(spentKey('workload', key))
      return [...touched].flatMap((key) => {
        const [spent, sum] = [tables.spent.get(key)?.amountMicros ?? 0n, sums.get(key) ?? 0n]
        return spent === sum
          ? []
          : [`${formatMoney(spent)} count as spent of ${key}, and its entries are ${formatMoney(sum)}`]
      })
    },
  }
}

/**
 * When all is done, the ledger and the bills of the providers are of the same gangs at the same prices, and of the same
 * time but for what the house learns late: for all of that time it has what the provider asks, to the micro-dollar.
 */
export function theLedgerAgreesWithTheBill(): Invariant {
  const found = new Set<string>()
  const away = new Map<string, number>()
  let before = 0
  return {
    name: 'the ledger agrees with the bill of the provider',
    rule: 9,
    when: 'always',
    check(seen) {
      const { now, events, tables, able, atRest } = seen
      for (const { type, data } of events) if (type === 'orphan.found') found.add(String(data['token']))
      for (const site of tables.sites.keys())
        if (!able(site)) away.set(site, (away.get(site) ?? 0) + (before === 0 ? 0 : now - before))
      before = now
      return atRest ? compareBills(seen, { found, away }) : []
    },
  }
}

/** All that the nodes of a lease may cost in an hour at prices that were offered for their shapes. */
function pricesOf({ provider, site, tier, shape, ranks }: LeaseRow, { tables, offered }: Seen): number[] {
  const key = `${provider}/${site}`
  let sums = [0]
  for (const [name, own] of Map.groupBy(ranks, (rank) => rank.shape ?? shape)) {
    const offers = tables.sites.get(key)?.offers ?? []
    const node = offers.find(({ divisible, shape: one }) => divisible && one.name === name)?.shape
    const known = offered.get(`${key} ${tier} ${name}`) ?? []
    sums = known.flatMap(({ priceMicros }) => sums.map((sum) => sum + asPriced(own, node, priceMicros)))
  }
  return sums
}

/** What nodes of a shape cost in an hour, or parts of them where they can be divided. */
const asPriced = (ranks: LeaseRow['ranks'], node: Shape | undefined, priceMicros: number): number =>
  ranks.reduce(
    (sum, { part, ...amounts }) =>
      sum + (node ? sharePrice(priceMicros, node, { shape: { ...node, ...amounts }, part }) : priceMicros),
    0,
  )

type Learnt = {
  /** Tokens that were told to belong to nobody. */
  found: ReadonlySet<string>
  /** How long each site was not able to answer. */
  away: ReadonlyMap<string, number>
}

function compareBills(seen: Seen, { found, away }: Learnt) {
  const { bill, tables, bounds } = seen
  const entered = Map.groupBy(tables.entries.values(), ({ lease }) => lease)
  return bill().flatMap((line) => {
    const lease = tables.leases.get(line.token)
    // What belongs to nobody is told as such, with its price, and billed to nobody.
    if (!lease || found.has(line.token)) return []
    const slackMs = bounds.billMs + (away.get(`${lease.provider}/${lease.site}`) ?? 0)
    const { startedAt, endedAt, meteredUntil } = lease
    const sum = (entered.get(line.token) ?? []).reduce((all, { amountMicros }) => all + amountMicros, 0n)
    const billedMs = startedAt === null || meteredUntil === null ? 0 : meteredUntil - startedAt
    // Where the price changed, ours is the one that was offered when it was decided.
    const mayDiffer = pricesOf(lease, seen).includes(lease.priceMicros)
    const price = mayDiffer ? lease.priceMicros : line.priceMicros
    const owed = costMicros(BigInt(price), billedMs)
    const startsMs = Math.abs((startedAt ?? line.from) - line.from)
    const endsMs = line.open || endedAt === null ? 0 : Math.abs(endedAt - line.to)
    return [
      lease.priceMicros === price ? '' : `costs ${lease.priceMicros} here, ${line.priceMicros} there`,
      sum === owed ? '' : `is entered with ${formatMoney(sum)}, and its time costs ${formatMoney(owed)} there`,
      endedAt === null || meteredUntil === endedAt || startedAt === null
        ? ''
        : 'has ended, and is not billed to its end',
      // Who was taken away before anybody could see it is billed by nobody here.
      startedAt === null && !line.open && line.to - line.from > slackMs ? 'is billed there and not here' : '',
      startsMs > slackMs ? `starts ${startsMs} ms apart` : '',
      endsMs > slackMs ? `ends ${endsMs} ms apart` : '',
    ].flatMap((what) => (what ? [`lease ${line.token} ${what}`] : []))
  })
}
