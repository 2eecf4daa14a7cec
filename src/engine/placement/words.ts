import { formatMoney } from '#kit/money.ts'
import { formatSizeMiB } from '#kit/size.ts'
import type { AcceleratorRequest, Amount } from '#model/resources.ts'

import type { Need } from './need.ts'

/**
 * How the engine says figures to people. A text must not change as long as the facts do not, or it would be told again
 * and again: so a time is said as that time, never as "in an hour".
 */

export const hourly = (micros: number): string => `${formatMoney(BigInt(micros))}/h`

/** `8 H200`, `8 accelerators of 80GB or more`, `0.5 of one H100`. */
function accelerators({ model, memoryMiB, count, shareMilli, profile }: AcceleratorRequest): string {
  const one = memoryMiB === undefined ? `${model}` : `accelerator of ${size(memoryMiB)}`
  if (shareMilli !== undefined) return `${shareMilli / 1000} of one ${one}`
  if (profile !== undefined) return `a slice ${profile} of one ${one}`
  if (memoryMiB === undefined) return `${count} ${model}`
  return `${count} ${count === 1 ? 'accelerator' : 'accelerators'} of ${size(memoryMiB)}`
}

/** `8 H200 or 8 H100`; empty when none are asked for. */
export const anyAccelerators = ({ roles }: Need): string =>
  [...new Set(roles.map(({ resources }) => resources.accelerators.map(accelerators).join(' or ')))]
    .filter((text) => text !== '')
    .join(' and ')

const size = (amount: Amount): string => orMore(amount, formatSizeMiB(amount.count))

const orMore = ({ atLeast }: Amount, text: string): string => (atLeast ? `${text} or more` : `exactly ${text}`)

/** `1 node`, `2 nodes with 8 H100`: what a gang is. */
export function nodes(need: Need): string {
  const each = anyAccelerators(need)
  return each === '' ? count(need.ranks, 'node') : `${count(need.ranks, 'node')} with ${each}`
}

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
