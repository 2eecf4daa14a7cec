import { costMicros, formatMoney } from '#kit/money.ts'
import type { Lease } from '#model/lease.ts'
import type { BillLine } from '#providers/simulated/books.ts'
import type { Store } from '#store/store.ts'
import type { World } from './world.ts'

/**
 * How far the time that a lease is billed for may be from the time that the provider bills: the house learns of an end
 * when it looks, and of a loss only when its patience is over.
 */
export type Slack = { slackMs: number }

/**
 * What must be true of a world, each breach as a sentence; none is what one wants to see.
 *
 * - Nothing is leaked: every gang that runs has a lease that is not over.
 * - Nothing runs twice: of one replica at most one attempt that has not ended runs.
 * - The ledger has every lease to the micro-dollar, as far as it was metered.
 * - Leases and the provider's own bill speak of the same time, but for the slack.
 */
export async function invariants({ cloud }: World, store: Store, { slackMs }: Slack): Promise<string[]> {
  const bill = Map.groupBy(cloud.meter(), (line) => line.workload)
  const billed = await store.ledger.cost({}, ['workload'])
  const entered = new Map(billed.map(({ keys: [workload = ''], amountMicros }) => [workload, amountMicros]))
  const breaches: string[] = []
  for (const [workload, lines] of bill) {
    const attempts = (await store.workloads.attempts(workload)).filter(hasLease)
    breaches.push(
      ...leaked(attempts, lines),
      ...twice(attempts, lines),
      ...unentered(attempts, entered.get(workload) ?? 0n),
      ...apart(attempts, lines, slackMs),
    )
  }
  return breaches
}

type Row = Awaited<ReturnType<Store['workloads']['attempts']>>[number]
type Leased = Row & { lease: Lease }
const hasLease = (attempt: Row): attempt is Leased => attempt.lease !== null

const isOver = ({ state }: Lease): boolean => state === 'gone' || state === 'refused'
const isEnded = ({ endedAt }: Row): boolean => endedAt !== null

function leaked(attempts: Leased[], lines: BillLine[]): string[] {
  const live = new Set(attempts.filter(({ lease }) => !isOver(lease)).map(({ lease }) => lease.id))
  return lines
    .filter((line) => line.open && !live.has(line.token))
    .map((line) => `${line.token} of ${line.workload} runs at ${line.site}, and no live lease knows it`)
}

function twice(attempts: Leased[], lines: BillLine[]): string[] {
  const running = new Set(lines.filter((line) => line.open).map((line) => line.token))
  const live = attempts.filter((attempt) => !isEnded(attempt) && running.has(attempt.lease.id))
  return [...Map.groupBy(live, ({ replica }) => replica)]
    .filter(([, several]) => several.length > 1)
    .map(([replica, several]) => `replica ${replica} runs ${several.length} times: ${several.map(({ id }) => id)}`)
}

function unentered(attempts: Leased[], entered: bigint): string[] {
  const owed = attempts.reduce((sum, { lease }) => sum + costOf(lease), 0n)
  if (owed === entered) return []
  const [first] = attempts
  return [`the ledger has ${formatMoney(entered)} of ${first?.workload}, and its leases say ${formatMoney(owed)}`]
}

const costOf = ({ priceMicros, startedAt, meteredUntil }: Lease): bigint =>
  costMicros(BigInt(priceMicros), startedAt === null || meteredUntil === null ? 0 : meteredUntil - startedAt)

function apart(attempts: Leased[], lines: BillLine[], slackMs: number): string[] {
  const leases = new Map(attempts.map(({ lease }) => [lease.id, lease]))
  return lines.flatMap((line) => {
    const lease = leases.get(line.token)
    if (!lease) return [] // said by `leaked`
    const startsMs = Math.abs((lease.startedAt ?? line.from) - line.from)
    const endsMs = line.open || lease.endedAt === null ? 0 : Math.abs(lease.endedAt - line.to)
    const wrong = [
      lease.priceMicros === line.priceMicros ? '' : `costs ${lease.priceMicros} here, ${line.priceMicros} there`,
      lease.startedAt === null && !line.open ? 'is billed there and not here' : '',
      startsMs > slackMs ? `starts ${startsMs} ms apart` : '',
      endsMs > slackMs ? `ends ${endsMs} ms apart` : '',
    ].filter(Boolean)
    return wrong.map((what) => `lease ${line.token} ${what}`)
  })
}
