import { refuseBefore } from '#engine/explain/refusal.ts'
import { barTo } from '#engine/placement/bars.ts'
import type { Refusal } from '#model/plan.ts'
import type { Project } from '#model/project.ts'
import type { Floor } from '#simulator/replay/floor.ts'
import type { JobRecord } from '#simulator/replay/job-record.ts'

import type { HouseRules } from './house-rules.ts'
import { askedBy } from './need.ts'

/** `spent` until `since`, in micro-dollars × milliseconds an hour; from there on so much an hour. */
type Account = { project: Project; spent: bigint; since: number; perHourMicros: bigint; isUsedUp: boolean }

const msPerHour = 3_600_000n

/**
 * What projects that have a budget spend: for each run the price that its part of the nodes had when it began, to the
 * millisecond. When a budget is used up the engine lets nothing more of its project start; what runs goes on.
 */
export class Budgets {
  readonly #floor: Floor
  readonly #rules: HouseRules
  readonly #accounts = new Map<number, Account>()
  /** What each run costs in an hour. */
  readonly #runs = new Map<number, bigint>()

  /** `terms` are those of the projects by their numbers. */
  constructor(terms: readonly Project[], { floor, rules }: { floor: Floor; rules: HouseRules }) {
    this.#floor = floor
    this.#rules = rules
    for (const [number, project] of terms.entries())
      if (project.budgetMicros !== null)
        this.#accounts.set(number, { project, spent: 0n, since: 0, perHourMicros: 0n, isUsedUp: false })
  }

  /** Why nothing of its project starts from now on; null while it may. */
  bar(record: JobRecord, now: number): Refusal | null {
    const account = this.#accounts.get(record.project)
    if (!account) return null
    const { project } = account
    const spent = new Map([[`project/${project.name}`, spentUntil(account, now) / msPerHour]])
    const asked = askedBy(project)
    const bar = barTo(asked.workload, project, { spent, now })
    return bar ? refuseBefore(asked, bar) : null
  }

  started(record: JobRecord, now: number): void {
    const account = this.#accounts.get(record.project)
    if (!account) return
    const group = this.#floor.groupOf(record.spots[0] ?? 0)
    const priceMicros = this.#floor.priceMicros(group.number)
    const { look } = this.#rules.wayOf(record.demand, account.project, { group, priceMicros })
    const perHourMicros = BigInt(look.priceMicros)
    this.#runs.set(record.index, perHourMicros)
    change(account, perHourMicros, now)
  }

  left(record: JobRecord, now: number): void {
    const account = this.#accounts.get(record.project)
    if (account) change(account, -(this.#runs.get(record.index) ?? 0n), now)
    this.#runs.delete(record.index)
  }

  /** The projects whose budgets have been used up since this was asked last. */
  usedUp(now: number): number[] {
    const found: number[] = []
    for (const [number, account] of this.#accounts) {
      if (account.isUsedUp || spentUntil(account, now) / msPerHour < BigInt(account.project.budgetMicros ?? 0)) continue
      account.isUsedUp = true
      found.push(number)
    }
    return found
  }

  /** Micro-dollars; null for a project without a budget. */
  spentMicros(project: number, now: number): bigint | null {
    const account = this.#accounts.get(project)
    return account ? spentUntil(account, now) / msPerHour : null
  }
}

const spentUntil = ({ spent, since, perHourMicros }: Account, now: number): bigint =>
  spent + perHourMicros * BigInt(now - since)

function change(account: Account, perHourMicros: bigint, now: number): void {
  account.spent = spentUntil(account, now)
  account.since = now
  account.perHourMicros += perHourMicros
}
