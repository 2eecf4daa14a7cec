import { formatDuration } from '#kit/duration.ts'
import { formatInstant } from '#kit/instant.ts'
import { formatMoney } from '#kit/money.ts'
import type { Bar } from '#engine/placement/bars.ts'
import type { Asked } from '#engine/placement/facts.ts'
import { offersOf } from '#engine/placement/look.ts'
import type { Need } from '#engine/placement/need.ts'
import { isOfKind } from '#engine/placement/slice.ts'
import { anyAccelerators, nodes } from '#engine/placement/words.ts'
import type { Refusal, Rejection } from '#model/plan.ts'
import { isPart } from '#model/resources.ts'

import type { Holders } from './holders.ts'
import { holdsLacking } from './lacking.ts'
import { rejectionOf, sayCounts, type Refused } from './rejections.ts'

/** What is known in a round: who holds what, and the sites that have offered nothing yet. */
export type Known = { holders: Holders; unheard: readonly string[]; now: number }

/** Why a replica is placed nowhere although its project and money would allow it; `refused` closest first. */
export function refuse(need: Need, refused: Refused[], known: Known): Refusal {
  const [best, ...others] = refused.map(rejectionOf)
  const [closest] = refused
  if (!best || !closest) return noOffers(need)
  const hopeless = refused.every(({ objection }) => !objection.passing)
  const impossible = hopeless && known.unheard.length === 0
  const isPlanned = best.rule === 'spot-plan'
  const opening = isPlanned
    ? 'It has time.'
    : impossible
      ? impossibly(need, best, refused)
      : `No room now for ${nodes(need)}.`
  const nearest = isPlanned
    ? sentence(best.detail)
    : `Closest is ${best.site} (${best.tier}, ${best.shape}): ${best.detail}.`
  const rest = others.length > 0 ? ` Ruled out besides: ${sayCounts(others)}.` : ''
  return {
    cause: best.rule,
    impossible,
    text: `${opening} ${nearest}${rest}`,
    best,
    ...(impossible
      ? {}
      : {
          frees: hopeless ? `${known.unheard[0]} telling what it offers.` : whatFrees(need, closest, known),
        }),
    next: nextCommands(need, closest, known.holders),
  }
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

/** Why a replica is not even looked for a place for; `sayWhen` says a time. */
export function refuseBefore({ workload }: Asked, bar: Bar, sayWhen = formatInstant): Refusal {
  switch (bar.cause) {
    case 'no-project':
      return refusal(bar.cause, `There is no project ${workload.project}, so nothing says what it may use.`, [
        'isobar projects',
      ])
    case 'secret': {
      const { project } = workload
      const text = `It names the secret ${bar.name}, which project ${project} does not have any more.`
      const flag = project === 'default' ? '' : ` --project ${project}`
      return refusal(bar.cause, text, [`isobar secret set ${bar.name}${flag}`])
    }
    case 'deadline': {
      const runs = bar.expectedMs > 0 ? `: it is expected to run for ${formatDuration(bar.expectedMs)}` : ''
      const text = `It cannot end by its deadline of ${sayWhen(bar.deadline)} any more${runs}.`
      const longer = bar.expectedMs > 0 ? 'a later deadline or a shorter duration.expected' : 'a later deadline'
      return refusal(bar.cause, text, [`isobar run <file> (with ${longer} in it)`])
    }
    case 'budget': {
      const whose = bar.of === 'project' ? `of project ${workload.project}` : `of ${workload.name}`
      // What is spent by now is not said: while others of the project run it is another sum each time, and would be told anew.
      return refusal(bar.cause, `The budget ${whose}, ${formatMoney(BigInt(bar.limitMicros))}, is used up.`, [
        bar.of === 'project'
          ? `isobar projects set ${workload.project} --budget <amount>`
          : 'isobar run <file> (with a higher budget.limit in it)',
        `isobar cost --project ${workload.project}`,
      ])
    }
  }
}

const refusal = (cause: string, text: string, next: string[]): Refusal => ({ cause, impossible: true, text, next })

const noOffers = (need: Need): Refusal => ({
  cause: 'no-offers',
  impossible: false,
  text: `No site offers anything yet, so there is no room for ${nodes(need)}.`,
  frees: 'A site that has been heard.',
  next: ['isobar doctor', 'isobar sites'],
})

/** What no site could ever hold, with the most that there is of it. */
function impossibly(need: Need, best: Rejection, refused: Refused[]): string {
  const isOfParts = need.roles.some(({ resources }) => resources.accelerators.some(isPart))
  if (isOfParts && best.rule === 'accelerator') return `No site can give ${anyAccelerators(need)}.`
  const shapes = refused.map(({ look }) => look.candidate.offer.shape)
  // When the closest lacks the accelerators, all do: those that have them come before it.
  if (best.rule !== 'accelerator') return `Waiting does not help: no offer can hold ${nodes(need)} as asked for.`
  const ofKind = shapes.filter((shape) =>
    need.roles.some(({ resources }) => resources.accelerators.some((one) => isOfKind(one, shape))),
  )
  const most = Math.max(0, ...ofKind.map((shape) => shape.accelerators))
  const kinds = [...new Set(shapes.flatMap((shape) => shape.accelerator ?? []))].sort().slice(0, mostKinds)
  const there = kinds.length > 0 ? `there are ${kinds.join(', ')}` : 'none has any accelerator'
  return `No site has a node with ${anyAccelerators(need)}; ${most > 0 ? `the largest has ${most}` : there}.`
}

const mostKinds = 8

/** What would have to happen first, as far as that is known. */
function whatFrees(need: Need, { look, objection }: Refused, { holders, now }: Known): string {
  const { siteKey: site, offer } = look.candidate
  const shapes = offersOf(look).map(({ shape }) => shape.name)
  switch (objection.rule) {
    case 'quota':
      return firstEnd(holders.firstWithin(need.project.name), now)
    case 'capacity':
      // Where it lacks nothing but its turn, those before it wait for whoever ends there.
      return firstEnd(
        holders.firstOf(site, shapes, holdsLacking(need, look)) ?? holders.firstOf(site, shapes, () => true),
        now,
      )
    case 'capacity-block':
      return offer.from === undefined
        ? 'Not known.'
        : `Its capacity block, which begins at ${formatInstant(offer.from)}.`
    case 'provider-share':
      return 'More of the project running at other providers.'
    case 'spot-plan':
      return 'Spot capacity, or as much time gone by as it has to spare.'
    case 'site-unreachable':
      return `${site} answering again.`
    case 'recently-refused':
      return `${site} being asked again.`
    default:
      return 'Not known.'
  }
}

function firstEnd(first: { name: string; at: number } | null, now: number): string {
  if (!first) return 'Not known: nothing that runs there has said when it will end.'
  return first.at <= now
    ? `${first.name}, which should have ended.`
    : `${first.name}, expected to end at ${formatInstant(first.at)}.`
}

/** Commands that help, the best first; what ends other work of the project comes last. */
function nextCommands(need: Need, { look, objection }: Refused, holders: Holders): string[] {
  const { name } = need.project
  const wanted = need.roles.flatMap(({ resources }) => resources.accelerators)[0]
  const offers = wanted?.model === undefined ? 'isobar offers' : `isobar offers --gpu ${wanted.model}`
  // Stopping the youngest loses the least work.
  const stop = (site?: string): string[] => {
    const helps = site === undefined ? () => true : holdsLacking(need, look)
    const other = holders.youngest(name, site).find((one) => one.workload !== need.workload.id && helps(one))
    return other ? [`isobar stop ${other.name}`] : []
  }
  switch (objection.rule) {
    case 'site-unreachable':
      return ['isobar doctor', 'isobar sites']
    case 'network':
      return ['isobar run <file> (with resources.network as {rdma: preferred}, or without it)', 'isobar offers']
    case 'image':
      return ['isobar run <file> (without image in it: what it needs is installed there)', 'isobar sites']
    case 'quota':
      return ['isobar projects', `isobar ps --project ${name}`, ...stop()]
    case 'capacity':
      return [offers, ...stop(look.candidate.siteKey)]
    default:
      return [offers]
  }
}
