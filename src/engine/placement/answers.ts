import type { Holders } from '#engine/explain/holders.ts'
import { refuseBefore } from '#engine/explain/refusal.ts'
import { byCloseness, rejectionsOf, type Refused } from '#engine/explain/rejections.ts'
import type { Decision as Taken, Request } from '#engine/queue/request.ts'
import type { Place } from '#engine/sharing/devices.ts'
import type { LeasedRank } from '#model/lease.ts'
import type { Decision, Placement, Refusal, RunPrice, Start } from '#model/plan.ts'

import type { Asked } from './facts.ts'
import { otherShapes, shapesIn, sliceOfRanks, type Look } from './look.ts'
import { nameOf } from './market.ts'
import type { Need } from './need.ts'
import type { Fit } from './preference.ts'
import { drew, runOf } from './prices.ts'
import { goneAt, makingOf, makingRoom, stillMaking, type Making } from './preempting.ts'
import { idOf, isUnread } from './queue.ts'
import { comingBack, startsAnew, type Comeback, type Repaired } from './repairing.ts'
import { count, uncount, type Round } from './round.ts'
import { chosenOf, type Queue, type Row } from './rows.ts'
import { ruleCostsOf } from './rule-costs.ts'
import { objectionTo } from './rules.ts'
import type { Slice } from './slice.ts'
import { planOf, WhyWaits } from './why-waits.ts'

type Started = Extract<Taken, { option: number }>

/** Turns what the line decides into decisions with their reasons, each as it is when it is decided. */
export type Answers = {
  /** The options of a row that the line may try now. */
  choose: (request: Request) => readonly number[]
  /** False when the round is over. */
  decided: (taken: Taken) => boolean
  /** Whether somebody comes back to its nodes, and how it stands there then. */
  comesBack: (comeback: Comeback, repaired: Repaired | null) => void
  /** Somebody more waits. */
  joins: (asked: Asked) => void
  /** Time went by, and leases may have ended: what is told from now on knows of it. */
  goesOn: () => void
  /** What was decided of these, in their order. */
  of: (waiting: readonly Asked[]) => Decision[]
}

export function createAnswers(round: Round, queue: Queue): Answers {
  const askedOf = new Map(queue.waiting.map((asked) => [idOf(asked), asked]))
  const rowOf = new Map([...queue.rowOf.values()].map((row) => [row.want.key, row]))
  const waits = new WhyWaits(round)
  /** Who was placed, or comes back to its nodes. */
  const settled = new Map<string, Decision>()
  const making = new Map<string, Making>()
  let tried: readonly number[] = []
  const settle = (asked: Asked, row: Row, decision: Decision) => settled.set(idOf(outOf(row, asked)), decision)
  return {
    choose({ want }) {
      const row = rowOf.get(want.key)
      return (tried = row ? chosenOf(row, round) : [])
    },
    decided(taken) {
      const [asked, row] = [askedOf.get(taken.id), queue.rowOf.get(taken.id)]
      const preempts = 'refused' in taken && 'victims' in taken.refused ? taken.refused : null
      if (isUnread(taken.id) && ('option' in taken || preempts)) return false
      if (!row) return true
      if (preempts) making.set(taken.id, makingOf(preempts, round))
      if ('refused' in taken) waits.refused(row, taken.refused)
      else if (asked) settle(asked, row, placedAt(taken, { asked, row, round, tried }))
      return true
    },
    comesBack(comeback, repaired) {
      if (repaired) settle(comeback.asked, comeback.row, backAt(comeback, repaired, round))
    },
    joins(asked) {
      askedOf.set(idOf(asked), asked)
      const row = queue.rowOf.get(idOf(asked))
      if (row) rowOf.set(row.want.key, row)
    },
    goesOn: () => waits.goesOn(),
    of(waiting) {
      for (const row of rowOf.values()) if (row.fits.length === 0) waits.stuck(row)
      const leaving = new Map([...stillMaking(waiting, round), ...making])
      const starts = startsOf(round, waits.holders, leaving)
      return waiting.flatMap((asked) => {
        const [id, row] = [idOf(asked), queue.rowOf.get(idOf(asked))]
        const found = settled.get(id) ?? ofUnasked(asked, queue)
        const told = found || !row ? null : waits.of(asked, row)
        if (!told) return found ?? []
        return [waitsOn(asked, { ...told, start: starts.get(id), made: making.get(id), still: leaving.get(id) })]
      })
    },
  }
}

/** It waits with the others of its row no more. */
function outOf({ members }: Row, asked: Asked): Asked {
  const place = members.indexOf(asked)
  if (place >= 0) members.splice(place, 1)
  return asked
}

type Waiting = NonNullable<ReturnType<WhyWaits['of']>> & {
  start: Start | undefined
  /** Those who leave for it by this decision, and those who still do. */
  made: Making | undefined
  still: Making | undefined
}

function waitsOn(asked: Asked, { why, names, start, made, still }: Waiting): Decision {
  const refusal = {
    ...(still && still.victims.length > 0 ? makingRoom(still) : why.refusal),
    ...(names.length > 0 && { ahead: names }),
    ...(start && { start }),
  }
  const leave = made && { preempts: made.victims, ...(made.isMove && { moves: true }) }
  return {
    ...nowhere(asked, refusal),
    rejections: why.rejections,
    ...(why.deadline && { deadline: why.deadline }),
    ...leave,
  }
}

function nowhere({ workload, replica }: Asked, refusal: Refusal): Decision {
  return {
    workload: workload.id,
    replica: replica.replica,
    placement: null,
    alternatives: [],
    rejections: [],
    refusal,
  }
}

/** Who may not be placed whatever there is, and who does not come back to its nodes, were not asked. */
function ofUnasked(asked: Asked, { barred }: Queue): Decision | null {
  const bar = barred.get(idOf(asked))
  const { kept } = asked.replica
  if (!bar && !kept) return null
  return { ...nowhere(asked, bar ? refuseBefore(asked, bar) : startsAnew(asked)), ...(kept && { lets: kept.lease }) }
}

/** Who comes back starts where it stood, and counts as it did; or waits until nothing of it is left there. */
function backAt(comeback: Comeback, repaired: Repaired, round: Round): Decision {
  const { asked, row, lease, option, ground } = comeback
  const { ranks, spares, repair } = repaired
  if (!lease.keptFor.isGone) return { ...nowhere(asked, comingBack(comeback, repaired, round.now)), repair }
  uncount(round, lease)
  const taken = { id: idOf(asked), option, cell: ground.number, gang: -1, ranks, spares }
  // Nothing else was looked at.
  return { ...placedAt(taken, { asked, row, round, tried: [] }), rejections: [], repair }
}

type Placing = { asked: Asked; row: Row; round: Round; tried: readonly number[] }

function placedAt(taken: Started, { asked, row, round, tried }: Placing): Decision {
  const { need, fits } = row
  const fit = fits[taken.option]
  if (!fit) throw new Error(`${taken.id} was placed in a way that it did not ask for`)
  const { candidate, priceMicros } = fit.look
  const { site, offer, ground } = candidate
  const shapes = otherShapes(fit.look)
  const ranks = sliceOfRanks(need, fit.look).map((slice, rank) => {
    const [node, shape] = [ground.names?.[taken.ranks[rank] ?? -1], shapes[rank]]
    return {
      rank,
      ...(node !== undefined && { node }),
      ...(shape && { shape }),
      ...leased(slice, taken.devices?.[rank]),
    }
  })
  const beside = besideOf(
    need,
    taken.spares.flatMap((node) => ground.names?.[node] ?? []),
  )
  const { provider, name } = site.info
  const { alternatives, refused } = othersOf(row, fit, { round, tried })
  const ruleCosts = ruleCostsOf(row, fit.look, round)
  const { id, project } = asked.workload
  const run = runOf(need, fit.look, round.prices)
  count(round, { workload: id, project, provider, site: name, ranks, beside: { ...beside.beside, spares: [] } })
  drew(round.prices, need, fit.look)
  return {
    workload: id,
    replica: asked.replica.replica,
    placement: {
      provider,
      site: name,
      tier: offer.tier,
      shape: offer.shape.name,
      ranks,
      priceMicros,
      ...(run && { run }),
      ...beside,
    },
    alternatives: alternatives.map((look) => alternativeOf(look, runOf(need, look, round.prices))),
    rejections: rejectionsOf(byCloseness(refused)),
    ...(ruleCosts.length > 0 && { ruleCosts }),
    ...planOf(row, round),
    refusal: null,
  }
}

/** What a rank holds, with the accelerator that its part is of. */
function leased({ part, ...slice }: Slice, place: Place | null | undefined): Omit<LeasedRank, 'rank' | 'node'> {
  if (!part || !place) return slice
  const { device, start } = place
  return { ...slice, part: { device, ...part, ...(part.profile !== undefined && { start }) } }
}

function besideOf({ spec }: Need, spares: string[]): Pick<Placement, 'beside'> {
  const { exclusive } = spec.topology ?? {}
  if (!exclusive && spares.length === 0) return {}
  return { beside: { ...(exclusive && { exclusive }), ...(spares.length > 0 && { spares }) } }
}

const mostAlternatives = 3

/**
 * The candidates that would have done as well, best first, and those that would not. Once there are enough of the former,
 * the dearer ones are not asked any more. Who chose some nodes of a site could have had them in another tier as well.
 */
function othersOf(
  { need, looks, fits, objections }: Row,
  taken: Fit,
  { round, tried }: Omit<Placing, 'asked' | 'row'>,
) {
  const alternatives: Look[] = []
  const refused: Refused[] = []
  const seen = new Set([taken.look])
  const { candidate } = taken.look
  for (const look of tried.flatMap((i) => fits[i]?.look ?? [])) {
    if (seen.has(look) || alternatives.length === mostAlternatives) continue
    seen.add(look)
    const isSameNodes = look.candidate.ground === candidate.ground && shapesIn(look) === shapesIn(taken.look)
    const objection = isSameNodes ? null : objectionTo(null, need, look, round)
    if (objection) refused.push({ look, objection })
    else alternatives.push(look)
  }
  const left = new Set(tried.flatMap((i) => fits[i]?.look ?? []))
  for (const look of looks) {
    if (left.has(look) || seen.has(look)) continue
    const objection = objectionTo(objections.get(look) ?? null, need, look, round)
    if (objection) refused.push({ look, objection })
  }
  return { alternatives, refused }
}

const alternativeOf = (look: Look, run: RunPrice | undefined): Decision['alternatives'][number] => ({
  site: look.candidate.siteKey,
  tier: look.candidate.offer.tier,
  shape: shapesIn(look),
  priceMicros: look.priceMicros,
  ...(run && { run }),
})

/** The starts that are promised and whose time is known, by who has them. */
function startsOf(round: Round, holders: Holders, making: ReadonlyMap<string, Making>): Map<string, Start> {
  const { market, promises, now } = round
  const found = new Map<string, Start>()
  for (const promise of promises()) {
    const { ground, siteKey, offer } = market.candidates.find((one) => one.ground.number === promise.way.cell) ?? {}
    const made = making.get(promise.request.id)
    const at = made ? goneAt(made.victims, round) : promise.at
    if (!ground || !offer || siteKey === undefined || at === Infinity) continue
    const first = holders.firstAt(siteKey)?.at ?? 0
    const earliest = first > now ? Math.min(first, at) : at
    const apart = ground.names ? {} : { offer: nameOf(offer) }
    const kept = made && { made: made.isMove ? ('moving' as const) : ('preempting' as const) }
    found.set(promise.request.id, { earliest, at, site: siteKey, ...apart, order: promise.number, ...kept })
  }
  return found
}
