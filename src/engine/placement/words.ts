import { formatDuration } from '#kit/duration.ts'
import { formatInstant } from '#kit/instant.ts'
import { formatMoney } from '#kit/money.ts'
import { formatSizeMiB } from '#kit/size.ts'
import { type AcceleratorRequest, type Amount, requiredNetworks } from '#model/resources.ts'

import type { DeadlineChoice } from '#model/plan.ts'
import type { Topology } from '#model/spec/topology.ts'

import type { Need } from './need.ts'

/**
 * How the engine says figures to people. A text must not change as long as the facts do not, or it would be told again
 * and again: so a time is said as that time, never as "in an hour".
 */

export const hourly = (micros: number): string => `${formatMoney(BigInt(micros))}/h`

/** `8 H200`, `8 accelerators of 80GB or more`, `0.5 of one H100`; `8 accelerators` where any will do. */
function accelerators({ model, memoryMiB, count: n, shareMilli, profile }: AcceleratorRequest): string {
  const one = memoryMiB === undefined ? (model ?? 'accelerator') : `accelerator of ${size(memoryMiB)}`
  if (shareMilli !== undefined) return `${shareMilli / 1000} of one ${one}`
  if (profile !== undefined) return `a slice ${profile} of one ${one}`
  if (memoryMiB === undefined) return model === undefined ? count(n, one) : `${n} ${model}`
  return `${count(n, 'accelerator')} of ${size(memoryMiB)}`
}

/** `8 H200 or 8 H100`; empty when none are asked for. */
export const anyAccelerators = ({ roles }: Need): string =>
  [...new Set(roles.map(({ resources }) => resources.accelerators.map(accelerators).join(' or ')))]
    .filter((text) => text !== '')
    .join(' and ')

const size = (amount: Amount): string => orMore(amount, formatSizeMiB(amount.count))

const orMore = ({ atLeast }: Amount, text: string): string => (atLeast ? `${text} or more` : `exactly ${text}`)

/** `1 node`, `2 nodes with 8 H100`, `8 nodes in slices of 4, each in one nvlink`: what a gang is. */
export function nodes(need: Need): string {
  const each = anyAccelerators(need)
  const networks = [...new Set(need.roles.flatMap(({ resources }) => requiredNetworks(resources)))]
  const rules = [
    ...(networks.length > 0 ? [`connected by ${all(networks)}`] : []),
    ...(need.spec.topology ? rulesOf(need.spec.topology, need.ranks) : []),
  ]
  return [count(need.ranks, 'node') + (each === '' ? '' : ` with ${each}`), ...rules].join(', ')
}

/** What a topology asks for, in words; empty where it asks for nothing that a site could lack. */
export function together(topology: Topology, ranks: number): string {
  const { within, required } = topology
  const isBound = required && within !== 'site' && ranks > 1
  return [...(isBound ? [`one ${within}`] : []), ...rulesOf(topology, ranks)].join(', ')
}

function rulesOf({ slices, balanced, spread, exclusive, spares }: Topology, ranks: number): string[] {
  return [
    ...(slices && slices.ranks > 1 ? [`in slices of ${slices.ranks}, each in one ${slices.within}`] : []),
    ...(balanced && ranks > 1 ? [`evenly over as few of ${balanced} as can be`] : []),
    ...(spread && spread.most < ranks ? [`at most ${spread.most} in one ${spread.within}`] : []),
    ...(exclusive ? [`with no others in one ${exclusive}`] : []),
    ...(spares ? [`and ${count(spares.count, 'spare')} in each ${spares.within}`] : []),
  ]
}

/** `rack=r1 and zone=a` */
export const labels = (wanted: Record<string, string>): string =>
  Object.entries(wanted)
    .map(([key, value]) => `${key}=${value}`)
    .join(' and ')

/** `1 node`, `4 nodes`. */
export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`

const joined = (items: readonly string[], word: string): string =>
  items.length > 1 ? `${items.slice(0, -1).join(', ')} ${word} ${items.at(-1)}` : (items[0] ?? 'none')

/** `a, b or c`. */
export const either = (items: readonly string[]): string => joined(items, 'or')

/** `a, b and c`. */
export const all = (items: readonly string[]): string => joined(items, 'and')

/** `32%`. */
export const share = (part: number): string => `${Math.round(part * 100)}%`

/** In whole cents from a dollar on; less is told exactly, as a plan does, for small runs cost less than a cent. */
export const money = (micros: number): string =>
  formatMoney(Math.abs(micros) < 1_000_000 ? BigInt(Math.round(micros)) : BigInt(Math.round(micros / 10_000)) * 10_000n)

/** Why the plan for a deadline chose so: the chance of a loss, what it expects to pay, and until when there is time. */
export function deadline(choice: DeadlineChoice): string {
  const { does, takenPpm, expectedMicros, lastingMicros, workMs, latest, goesBack } = choice
  const chance =
    takenPpm === undefined
      ? 'no spot capacity is to be had'
      : `${takenPpm < 10_000 ? 'less than 1%' : share(takenPpm / 1e6)} of spot capacity is lost within an hour`
  const less =
    does === 'on-demand'
      ? ''
      : `${money(Number(expectedMicros.toPrecision(2)))} are expected to be paid from now on, and `
  const slack = `it must start there by ${formatInstant(latest)} for the ${formatDuration(workMs)} of work that are left`
  const back = goesBack ? '; it goes back to spot capacity when that pays' : ''
  return `${chance}; ${less}${money(lastingMicros)} on capacity that nobody takes away; ${slack}${back}`
}

/** The same as a whole sentence. */
export function sayChoice(choice: DeadlineChoice): string {
  const does = { spot: 'takes spot capacity', 'on-demand': 'goes where nobody takes its nodes away', wait: 'waits' }
  return `By the plan for its deadline it ${does[choice.does]}: ${deadline(choice)}.`
}
