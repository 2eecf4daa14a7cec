import { z } from 'zod'

import type { Unreadable } from '#kit/duration.ts'
import { formatSizeMiB, parseSizeMiB } from '#kit/size.ts'

import { type AcceleratorRequest, type Amount, Network, NetworkRequest } from '#model/resources.ts'
import { sizeMiB } from './text.ts'

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
  const read = parseSizeMiB(size)
  return typeof read === 'number' ? { count: read, atLeast } : read
}

/** What the model of an accelerator looks like, such as H200 or A100-80GB. */
export const acceleratorModel = /^[A-Za-z][A-Za-z0-9._-]{0,39}$/

/**
 * Reads accelerators of one node: `H200:8` (a model), `80GB+:8` (by memory of each), `H200` (one), `H100:0.5` (a share
 * of one, in hundredths), `A100/1g.5gb` (a slice).
 */
export function parseAccelerator(text: string): AcceleratorRequest | Unreadable {
  const [what = '', many = '1', ...rest] = text.trim().split(':')
  const counted = rest.length > 0 ? bad(text) : parseCount(many, what)
  const kind = parseKind(what)
  if (!kind || !counted) return bad(text)
  if ('problem' in counted) return counted
  // CUDA shows a process one slice only, however many it was given.
  if (kind.profile !== undefined && (counted.count > 1 || counted.shareMilli !== undefined))
    return { problem: `"${text}" is not one slice, and a program sees no more; write ${what}:1, or a larger profile` }
  return { ...kind, ...counted }
}

/** What `parseAccelerator` reads as this, in the one way in which Isobar writes it. */
export function formatAccelerator({ model, memoryMiB, profile, count, shareMilli }: AcceleratorRequest): string {
  const kind = memoryMiB ? `${formatSizeMiB(memoryMiB.count)}${memoryMiB.atLeast ? '+' : ''}` : (model ?? '')
  return `${kind}${profile === undefined ? '' : `/${profile}`}:${shareMilli === undefined ? count : shareMilli / 1000}`
}

const bad = (text: string): Unreadable => ({
  problem: `"${text}" is not an accelerator; write for example H200:8, 80GB+:8 for any with so much memory, or H100:0.5 for half of one`,
})

/** A model, a model with a profile, or the memory of each. */
function parseKind(what: string): Pick<AcceleratorRequest, 'model' | 'memoryMiB' | 'profile'> | undefined {
  if (/^\d/.test(what)) {
    // A bare number could be a model without its letters (4090), so a unit is asked for.
    const memoryMiB = /[a-z]/i.test(what) ? parseSizeAmount(what) : undefined
    return memoryMiB && 'count' in memoryMiB ? { memoryMiB } : undefined
  }
  const [model = '', profile, ...rest] = what.split('/')
  if (!acceleratorModel.test(model) || rest.length > 0) return undefined
  if (profile === undefined) return { model }
  return /^[1-7]g\.[1-9]\d{0,2}gb(\+me)?$/i.test(profile) ? { model, profile: profile.toLowerCase() } : undefined
}

function parseCount(
  many: string,
  what: string,
): Pick<AcceleratorRequest, 'count' | 'shareMilli'> | Unreadable | undefined {
  if (/^[1-9]\d{0,3}$/.test(many)) return { count: Number(many) }
  if (!/^\d{1,4}\.\d{1,9}$/.test(many)) return undefined
  const hundredths = Number(many) * 100
  if (hundredths > 99)
    return { problem: `${many} is not a share of one accelerator; write ${what}:0.99 or less, or whole ones` }
  if (hundredths < 1) return { problem: `${many} is less than can be shared; write ${what}:0.01 or more` }
  const near = Math.round(hundredths)
  if (Math.abs(hundredths - near) > 1e-6)
    return { problem: `${many} is finer than shares are cut; write ${what}:${near / 100}` }
  return { count: 1, shareMilli: near * 10 }
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
  .meta({ examples: ['H200:8', '80GB+:8', 'H100:0.5', 'A100/1g.5gb:1'] })
  .transform((text, context) => {
    const value = parseAccelerator(text)
    if (!('problem' in value)) return value
    context.addIssue({ code: 'custom', message: value.problem })
    return z.NEVER
  })

const none: Amount = { count: 0, atLeast: true }

const network = z
  .union([Network, z.array(Network).min(1).max(2), NetworkRequest])
  .transform((value): NetworkRequest => {
    if (typeof value === 'object' && !Array.isArray(value)) return value
    return Object.fromEntries([value].flat().map((kind) => [kind, 'required' as const]))
  })

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
    sharedMemory: sizeMiB('Shared memory (/dev/shm) of one node, within its memory.').optional(),
    network: network.optional().meta({
      description:
        'What has to connect the nodes: rdma, imex or both in a list; {rdma: preferred} takes it where it is.',
      examples: ['rdma'],
    }),
  })
  .transform(({ accelerators, cpus, memory, disk, sharedMemory = 0, network: asked }, context) => {
    if (memory && memory.count < sharedMemory) {
      const message = `this is part of the memory, of which there is ${formatSizeMiB(memory.count)}; write memory: ${formatSizeMiB(sharedMemory)}+ or more`
      context.addIssue({ code: 'custom', path: ['sharedMemory'], message })
    }
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
      memoryMiB: memory ?? { count: sharedMemory, atLeast: true },
      diskMiB: disk ?? none,
      ...(sharedMemory > 0 && { sharedMemoryMiB: sharedMemory }),
      ...(asked && { network: asked }),
    }
  })
