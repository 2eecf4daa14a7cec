import { checkpointMsOf } from '#engine/market/run-price.ts'
import { leavingMs, pays, staysMs } from '#engine/market/way-back.ts'
import type { LiveLease } from '#model/live-lease.ts'
import type { Decision } from '#model/plan.ts'
import type { Preemption } from '#model/preemption.ts'
import { isPlannedToDeadline } from '#model/spec/planned-to-deadline.ts'
import type { Spec } from '#model/spec/spec.ts'

import type { Asked, SiteFacts } from './facts.ts'
import { place, type PlaceInput } from './place.ts'
import * as say from './words.ts'

const hourMs = 3_600_000

/**
 * The job that had better go back to spot capacity, if one of those that run on capacity that lasts had: it leaves what it
 * holds, waits, and goes on from its checkpoint where its plan places it then (`deadline.ts`).
 *
 * It is asked where each would go if it waited at the moment when it has left, with all others who wait: to spot capacity,
 * and it must be cheaper by more than a move costs. It must find capacity that lasts then, too, so that its deadline is as
 * safe as before. It is a move as any other and counts as one, against the moves of an hour and what may be stopped of its
 * project. One goes at a time, for its place is not promised to it.
 */
export function goBack(input: PlaceInput): Decision | null {
  const { leases, running = [], preemptions = [] } = input.snapshot
  const backs = preemptions.filter(isBack)
  const isOnItsWay = (lease: LiveLease) =>
    lease.leaves && backs.some(({ victim }) => victim === lease.workload) && siteOf(lease, input) !== undefined
  if (leases.some(isOnItsWay)) return null
  for (const asked of running.filter(({ workload }) => isPlannedToDeadline(workload.spec))) {
    const lease = leases.find(({ workload, leaves }) => workload === asked.workload.id && !leaves)
    const found = lease && mayLeave(asked, lease, input) ? wayBack(asked, lease, input) : null
    if (found) return found
  }
  return null
}

/** It left for itself. */
const isBack = ({ by, victim }: Preemption): boolean => by === victim

/** Where it stands, if that answers. */
const siteOf = ({ provider, site }: LiveLease, { snapshot: { sites } }: PlaceInput): SiteFacts | undefined =>
  sites.find((one) => one.reach === 'reachable' && one.site === `${provider}/${site}`)

/**
 * Whether it may be moved: it saves its work, on nodes that stay until its deadline, at a site that answers, so that it is
 * known when it has left; the hour has moves left for it, and it did not have to leave in this hour.
 */
function mayLeave({ workload: { spec } }: Asked, lease: LiveLease, input: PlaceInput): boolean {
  const { snapshot, now, movesPerHour = 0 } = input
  const { projects, preemptions = [] } = snapshot
  const its = siteOf(lease, input)?.offers.find(({ tier, shape }) => tier === lease.tier && shape.name === lease.shape)
  const recent = preemptions.filter(({ at }) => at > now - hourMs)
  const ofProject = recent.filter(({ project }) => project === lease.project).length
  const most = projects.find(({ name }) => name === lease.project)?.preemption.perHour ?? Infinity
  return (
    lease.movable === true &&
    its !== undefined &&
    lasts(its, spec) &&
    !lease.keptFor &&
    !lease.beside?.spares &&
    !preemptions.some(({ victim, at }) => victim === lease.workload && at > now - staysMs) &&
    recent.filter(({ isMove }) => isMove).length < movesPerHour &&
    ofProject < most
  )
}

function wayBack(asked: Asked, lease: LiveLease, input: PlaceInput): Decision | null {
  const { workload, replica } = asked
  const { spec } = workload
  const { placement, deadline } = placedAfter(asked, lease, input) ?? {}
  if (!placement || deadline?.does !== 'spot' || spec.deadline === undefined) return null
  const costsOf = (ms: number): number => (ms * Math.min(lease.priceMicros, deadline.hourMicros)) / hourMs
  const redoMs = checkpointMsOf(spec)
  const startMs = spec.deadline - deadline.workMs - deadline.latest
  // Who stays loses nothing of its work; and its own nodes may be faster than those that the plan reckons with.
  const stayMs = Math.max(0, deadline.workMs - redoMs) * slowestOf(spec)
  const stays = costsOf(stayMs)
  const goes = deadline.expectedMicros + costsOf(leavingMs(spec))
  if (!pays({ stays, goes, inVain: costsOf(startMs + redoMs) })) return null
  if (!findsWhatLasts(asked, lease, input)) return null
  const where = `${placement.provider}/${placement.site}`
  return {
    workload: workload.id,
    replica: replica.replica,
    placement: null,
    alternatives: [],
    rejections: [],
    refusal: null,
    deadline,
    preempts: [{ lease: lease.id, workload: workload.id, name: workload.name }],
    moves: true,
    goesBack: `goes back to spot capacity, which ${where} has: ${about(goes)} are expected to be paid from now on, and ${about(stays)} where it runs`,
  }
}

const about = (micros: number): string => say.money(Number(micros.toPrecision(2)))

/** How slow its slowest nodes are to its fastest. */
function slowestOf({ throughput }: Spec): number {
  const speeds = [1, ...Object.values(throughput)]
  return Math.min(...speeds) / Math.max(...speeds)
}

/** What would be decided of it at the moment when it has left what it holds, after all who wait. */
function placedAfter({ workload, replica }: Asked, lease: LiveLease, input: PlaceInput): Decision | undefined {
  const { snapshot, now } = input
  const others = snapshot.waiting.filter((each) => each.workload.id !== workload.id)
  const leases = snapshot.leases.filter((each) => each !== lease)
  const priority = others.reduce((least, each) => Math.min(least, each.workload.priority), workload.priority) - 1
  const waiting = [
    ...others,
    { workload: { ...workload, priority }, replica: { ...replica, state: 'waiting' as const } },
  ]
  const decisions = place({ ...input, snapshot: { ...snapshot, leases, waiting }, now: now + leavingMs(workload.spec) })
  return decisions.find((decision) => decision.workload === workload.id)
}

/** Whether nobody takes its nodes away before a job is to have ended. */
const lasts = ({ tier, until = Infinity }: SiteFacts['offers'][number], { deadline = Infinity }: Spec): boolean =>
  tier !== 'spot' && until >= deadline

/** Whether there is room for it on capacity that lasts to its deadline when it has left, and all who wait have theirs. */
function findsWhatLasts(asked: Asked, lease: LiveLease, input: PlaceInput): boolean {
  const { snapshot } = input
  const { spec } = asked.workload
  const sites = snapshot.sites.map((site) => ({ ...site, offers: site.offers.filter((offer) => lasts(offer, spec)) }))
  return Boolean(placedAfter(asked, lease, { ...input, snapshot: { ...snapshot, sites } })?.placement)
}
