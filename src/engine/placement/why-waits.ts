import { createAhead, mostAhead } from '#engine/explain/ahead.ts'
import { withPools } from '#engine/explain/growing.ts'
import { holdersOf, type Holders } from '#engine/explain/holders.ts'
import { refuse, type Known } from '#engine/explain/refusal.ts'
import { byCloseness, rejectionsOf, type Refused } from '#engine/explain/rejections.ts'
import type { Refusal as Vain } from '#engine/queue/request.ts'
import type { DeadlineChoice, Refusal, Rejection } from '#model/plan.ts'

import type { Asked } from './facts.ts'
import type { Round } from './round.ts'
import type { Row } from './rows.ts'
import { objectionTo } from './rules.ts'

/** Why a row waits, as it was told to its first; who is ahead of it, and the first of those that were not placed. */
type Waits = {
  refusal: Refusal
  rejections: Rejection[]
  ahead: string[]
  firsts?: Asked[]
  deadline?: DeadlineChoice
}

/**
 * Why rows wait. At the beginning of a round that is worked out for each as it is refused, for each is told. Once the round goes
 * on hardly anybody is: then all that were refused since are worked out, in their order, when the first of them is to be told.
 */
export class WhyWaits {
  readonly #round: Round
  readonly #waits = new Map<Row, Waits>()
  readonly #ahead = createAhead()
  #late: Map<Row, Vain> | null = null
  #knows: Known | null = null

  constructor(round: Round) {
    this.#round = round
  }

  get holders(): Holders {
    return this.#known().holders
  }

  refused(row: Row, vain: Vain): void {
    if (!this.#late) return this.#explain(row, vain)
    this.#late.delete(row)
    this.#late.set(row, vain)
  }

  /** A row that could stand nowhere, which nobody asked. */
  stuck(row: Row): void {
    if (!this.#waits.has(row)) this.#explain(row)
  }

  /** Time went by, and leases may have ended: what is told from now on knows of it. */
  goesOn(): void {
    this.#late ??= new Map()
    this.#knows = null
    for (const why of this.#waits.values()) delete why.firsts
  }

  /** Why somebody of a row waits, and who is ahead of it by name; null where that is not known. */
  of(asked: Asked, row: Row): { why: Waits; names: string[] } | null {
    if (this.#late?.has(row)) {
      for (const [each, vain] of this.#late) this.#explain(each, vain)
      this.#late.clear()
    }
    const why = this.#waits.get(row)
    if (!why) return null
    why.firsts ??= row.members.slice(0, mostAhead + 1)
    return { why, names: this.#ahead.inRow(asked, why.ahead, why.firsts) }
  }

  #known(): Known {
    const { leases, market, now } = this.#round
    return (this.#knows ??= { holders: holdersOf(leases), unheard: market.unheard, now })
  }

  #explain(row: Row, vain?: Vain): void {
    const round = this.#round
    const refused = byCloseness(refusedOf(row, round, vain))
    const told = { refusal: refuse(row.need, refused, this.#known()), rejections: rejectionsOf(refused) }
    this.#waits.set(row, { ...told, ahead: this.#ahead.of(row, refused[0]), ...planOf(row, round) })
    this.#ahead.add(row, row.members[0])
  }
}

/** What the plan of somebody with a deadline decided last. */
export function planOf({ need }: Row, { planned }: Round): { deadline?: DeadlineChoice } {
  const deadline = planned.get(need.key)?.choice()
  return deadline ? { deadline } : {}
}

/** What stands against each candidate. Where nothing does, the line knows of somebody else's claim. */
function refusedOf({ need, looks, objections }: Row, round: Round, vain?: Vain): Refused[] {
  return looks.map((look) => {
    const objection = objectionTo(objections.get(look) ?? null, need, look, round) ?? claimed(round, vain)
    return { look, objection: withPools(objection, need, { look, round }) }
  })
}

function claimed({ names }: Round, vain?: Vain): Refused['objection'] {
  if (vain?.cause !== 'reserved')
    return { rule: 'capacity', detail: 'no way was found to fit all its nodes together', passing: true }
  const first = names.get(vain.for) ?? 'another'
  return { rule: 'quota', detail: `${first} came first and waits for what is left of the quota`, passing: true }
}
