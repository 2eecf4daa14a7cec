import { gangsPlaced } from '#engine/placement/demand.ts'
import type { Asked } from '#engine/placement/facts.ts'
import { sit } from '#engine/placement/place.ts'
import type { Sitting } from '#engine/placement/sitting.ts'
import type { Decision } from '#model/plan.ts'
import type { Claim, Placed } from '#store/store.ts'
import { askAgainAt, claimFor, lost } from './claiming.ts'
import { doubt } from './doubt.ts'
import { goBack } from './go-back.ts'
import type { House, Reconciler, Turn } from './reconciler.ts'
import { resting } from './resting.ts'
import { noteTold, retelling } from './retelling.ts'
import { roundFacts } from './round-facts.ts'
import { nextLookAt, sittingOf, soonest, type Told } from './sittings.ts'
import { noteNews, noteRound, toRead } from './sleepers.ts'

/** Replicas looked at in one round, beside the first few of each need that is asleep. */
const batch = 1_000

/** So many are read one by one: a round can go on as long as it knows each of them. */
const fewLeases = 20_000

/** Another control plane takes over so soon after this one has died. */
const claimSeconds = 7

/** Decides where waiting replicas go. One control plane does it for all: no node is given twice. */
export const admit: Reconciler = {
  name: 'admit',
  everyMs: 15_000,
  async turn(house, signal) {
    const sitting = sittingOf(house)
    const claim = await claimFor(house, 'admit', claimSeconds)
    if (!claim) return notOurs(house)
    await goBack(house, claim)
    const restsUntil = sitting.restsUntil(claim)
    if (restsUntil !== null) return { status: 'nothing has changed', at: restsUntil }
    const told = await sitting.news(claim)
    return told ? turnOf(await goOn(house, claim, told)) : look(house, signal)
  },
}

/** Each commit of a flood of submits may ask for a look at everything, and who comes behind a long queue finds no room. */
const look = resting({ leastMs: 0, times: 1 }, async (house) => {
  const claim = await claimFor(house, admit.name, claimSeconds)
  return claim ? turnOf(await lookAnew(house, claim)) : notOurs(house)
})

const notOurs = ({ clock }: House): Turn => ({
  status: 'another control plane admits',
  at: askAgainAt(clock.now(), claimSeconds),
})

const turnOf = ({ waiting, placed, more, at }: Admitted): Turn => ({
  status: `placed ${placed} of ${waiting}`,
  more,
  useful: placed > 0,
  ...(at !== null && { at }),
})

type Admitted = { waiting: number; placed: number; more: boolean; at: number | null }

/** Looks at everything, and decides on it. */
async function lookAnew(house: House, claim: Claim): Promise<Admitted> {
  const { store, clock, movesPerHour = 0 } = house
  const now = clock.now()
  const kept = sittingOf(house)
  kept.looks()
  const snapshot = await store.placement.snapshot({
    now,
    most: batch,
    ...toRead(house, now),
    moves: movesPerHour > 0,
    few: fewLeases,
    unlessIdle: true,
  })
  const nextAt = await store.placement.nextAt(clock.now())
  const plan = house.steering?.plan()
  const round = { claim, now, planAsOf: plan?.asOf }
  if (snapshot.waiting.length === 0) {
    kept.rest({ ...round, at: nextAt })
    return { waiting: 0, placed: 0, more: false, at: nextAt }
  }
  const input = { snapshot: await roundFacts(house, snapshot, now), now, movesPerHour, ...(plan && { plan }) }
  const sitting = sit(input)
  const { decisions } = sitting
  doubt(house, input, decisions)
  const { placed, isWhole, tellAt } = await carryOut(house, claim, { sitting, decisions, asked: snapshot.waiting, now })
  if (placed === null) return { waiting: snapshot.waiting.length, placed: 0, more: false, at: nextAt }
  // The engine decides no further than it knows who comes next.
  const isEnded = snapshot.more || decisions.length < snapshot.waiting.length
  const isCut = noteRound(house, { snapshot, decisions, more: isEnded, now })
  const againAt = Math.max(sitting.looksAgainAt(now), nextLookAt(now, clock.now()))
  const at = soonest(tellAt, againAt < Infinity ? soonest(againAt, nextAt) : nextAt)
  const goesOn = isWhole && !snapshot.more && movesPerHour === 0
  if (goesOn) kept.keep(sitting, { ...round, at, moreUntold: snapshot.moreUntold })
  const more = goesOn
    ? sitting.ranOut.length > 0
    : isEnded || isCut || (snapshot.moreUntold && kept.untold.at() === null)
  const next = soonest(at, kept.untold.at())
  // A round that knows all that came of it would decide the same again, also where it has placed somebody.
  if (!more && (goesOn ? !snapshot.moreUntold : placed === 0)) kept.rest({ ...round, at: next })
  return { waiting: snapshot.waiting.length, placed, more, at: next }
}

/** Decides on what has changed since, which is all there is to know. */
async function goOn(house: House, claim: Claim, { sitting, news, again }: Told): Promise<Admitted> {
  const now = house.clock.now()
  const decisions = sitting.goOn(news, now)
  const facts = sitting.facts
  const plan = house.steering?.plan()
  doubt(house, { snapshot: facts, now, ...(plan && { plan }) }, decisions)
  const { placed, isWhole, tellAt } = await carryOut(house, claim, { sitting, decisions, asked: facts.waiting, now })
  const refused = new Set(decisions.flatMap((one) => (one.placement ? [] : [one.workload])))
  const ranOut = sitting.ranOut.map(({ need }) => need)
  noteNews(house, { ranOut, refused: facts.waiting.filter(({ workload }) => refused.has(workload.id)) })
  const at = isWhole ? again(tellAt) : null
  return { waiting: facts.waiting.length, placed: placed ?? 0, more: !isWhole || ranOut.length > 0, at }
}

type Decided = { sitting: Sitting; decisions: Decision[]; asked: Asked[]; now: number }

/** `isWhole`: the sitting knows all that came of it. */
type Done = { placed: number | null; isWhole: boolean; tellAt: number | null }

/** Writes what was decided, if it is still the one to decide. */
async function carryOut(house: House, claim: Claim, { sitting, decisions, asked, now }: Decided): Promise<Done> {
  const { ids, store, steering } = house
  const { untold } = sittingOf(house)
  const graceOf = new Map(asked.map(({ workload }) => [workload.id, workload.spec.checkpoint.graceMs]))
  const placed = decisions
    .filter((decision) => decision.placement !== null)
    .map((decision): Placed => {
      const graceMs = graceOf.get(decision.workload) ?? 0
      return { decision, attemptId: ids('a'), leaseId: ids('l'), operationId: ids('o'), planId: ids('p'), graceMs }
    })
  const starts = placed.map(({ decision }) => decision)
  const telling = retelling(house, decisions, now)
  untold.add(telling.news)
  untold.forget(starts)
  const refused = untold.take(now, placed.length)
  if (placed.length + refused.length === 0) return { placed: 0, isWhole: sitting.isOpen, tellAt: telling.at }
  // Null: somebody else has the claim by now, and decides on newer facts than these.
  const written = await store.placement.commit(claim, placed, refused, now)
  if (written === null) {
    lost(house, claim)
    return { placed: null, isWhole: false, tellAt: null }
  }
  noteTold(house, [...starts, ...refused], now)
  if (sitting.isOpen) for (const { decision, leaseId } of placed) sitting.stands(decision, leaseId)
  steering?.placed(gangsPlaced(decisions, asked, now))
  const leave = decisions.some(({ preempts, repair, lets }) => preempts ?? repair ?? lets)
  return { placed: placed.length, isWhole: sitting.isOpen && written === placed.length && !leave, tellAt: telling.at }
}
