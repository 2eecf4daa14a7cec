import { z } from 'zod'

import type { Unreadable } from '#kit/duration.ts'
import { parseSizeMiB } from '#kit/size.ts'

import type { AcceleratorRequest, Amount } from '#model/resources.ts'

/** Splits the `+` of "at least" from an amount: `4+` is `['4', true]`. */
const splitAtLeast = (text: string): [string, boolean] => {
  const compact = text.trim()
  return compact.endsWith('+') ? [compact.slice(0, -1).trim(), true] : [compact, false]
}

/** Reads `4`, `0.5` or `4+` CPUs as thousandths of a core. */
export function parseCpus(text: string | number): Amount | Unreadable {
  const [number, atLeast] = splitAtLeast(String(text))
  const milli = /^\d+(\.\d{1,3})?$/.test(number) ? Math.round(Number(number) * 1000) : 0
  return milli > 0 && milli <= 100_000_000
    ? { count: milli, atLeast }
    : { problem: `"${text}" is not a number of CPUs; write for example 4, 0.5 or 8+` }
}

/** Reads `64GB` or `64GB+` as mebibytes. */
export function parseSizeAmount(text: string | number): Amount | Unreadable {
  const [size, atLeast] = splitAtLeast(String(text))
  const sizeMiB = parseSizeMiB(size)
  return typeof sizeMiB === 'number' ? { count: sizeMiB, atLeast } : sizeMiB
}

/** What the model of an accelerator looks like, such as H200 or A100-80GB. */
export const acceleratorModel = /^[A-Za-z][A-Za-z0-9._-]{0,39}$/

/** Reads `H200:8` (a model), `80GB+:8` (by memory of each) or `H200` (one) as accelerators of one node. */
export function parseAccelerator(text: string): AcceleratorRequest | Unreadable {
  const [what = '', count = '1', ...rest] = text.trim().split(':')
  const bad = {
    problem: `"${text}" is not an accelerator; write for example H200:8, or 80GB+:8 for any with so much memory`,
  }
  if (rest.length > 0 || !/^[1-9]\d{0,3}$/.test(count)) return bad
  if (/^\d/.test(what)) {
    // A bare number could be a model without its letters (4090), so a unit is asked for.
    const memoryMiB = /[a-z]/i.test(what) ? parseSizeAmount(what) : bad
    return 'problem' in memoryMiB ? bad : { memoryMiB, count: Number(count) }
  }
  return acceleratorModel.test(what) ? { model: what, count: Number(count) } : bad
}

function amount(
  read: (text: string | number) => Amount | Unreadable,
  meta: { description: string; examples: (string | number)[] },
) {
  return z
    .union([z.string().max(40), z.number()])
    .meta(meta)
    .transform((text, context) => {
      const value = read(text)
      if (!('problem' in value)) return value
      context.addIssue({ code: 'custom', message: value.problem })
      return z.NEVER
    })
}

const accelerator = z
  .string()
  .max(60)
  .meta({ examples: ['H200:8', '80GB+:8'] })
  .transform((text, context) => {
    const value = parseAccelerator(text)
    if (!('problem' in value)) return value
    context.addIssue({ code: 'custom', message: value.problem })
    return z.NEVER
  })

const none: Amount = { count: 0, atLeast: true }

/** The `resources` of a spec: what one node must have. */
export const ResourcesField = z
  .strictObject({
    accelerators: z
      .union([
        accelerator,
        z.array(accelerator).min(1).max(16),
        z.strictObject({
          any: z.array(accelerator).min(1).max(16).meta({ description: 'The cheapest of these is taken.' }),
        }),
      ])
      .optional()
      .meta({
        description:
          'Accelerators of one node: one kind, a list in the order of preference, or {any: […]} where the cheapest wins.',
      }),
    cpus: amount(parseCpus, {
      description: 'CPUs of one node; + for at least.',
      examples: ['4', 0.5, '8+'],
    }).optional(),
    memory: amount(parseSizeAmount, {
      description: 'Memory of one node; + for at least.',
      examples: ['16GB', '64GB+'],
    }).optional(),
    disk: amount(parseSizeAmount, {
      description: 'Disk of one node; + for at least.',
      examples: ['100GB+'],
    }).optional(),
  })
  .transform(({ accelerators, cpus, memory, disk }) => {
    const any = typeof accelerators === 'object' && 'any' in accelerators
    const list =
      accelerators === undefined
        ? []
        : any
          ? accelerators.any
          : Array.isArray(accelerators)
            ? accelerators
            : [accelerators]
    return {
      accelerators: list,
      ordered: !any,
      cpuMilli: cpus ?? none,
      memoryMiB: memory ?? none,
      diskMiB: disk ?? none,
    }
  })
