import { z } from 'zod'

import type { Unreadable } from '#kit/duration.ts'
import { formatSizeMiB } from '#kit/size.ts'
import { Jurisdiction, Name, Tier } from '#model/names.ts'
import { isPart, Network, type Shape } from '#model/resources.ts'
import { parseAccelerator, parseCpus } from '#model/spec/resources-text.ts'
import { durationMs, hourlyMicros, sizeMiB } from '#model/spec/text.ts'

import { egressField, termsField } from './declared-terms.ts'

// What sites.yaml says of a site whose capacity somebody declares, as people write it.

/** Country code for "not known", which ISO 3166-1 leaves to its users: rules on residency then refuse the site. */
const unknownCountry = 'ZZ'

const written = z.union([z.string().max(60), z.number()])

/** What engines and machines do not tell of their nodes. */
export const untoldFields = {
  sharedMemory: sizeMiB('The most that /dev/shm of one node may hold, where nobody tells it.').optional(),
  network: z
    .array(Network)
    .min(1)
    .max(2)
    .optional()
    .meta({ description: 'What connects the nodes beside their plain network.', examples: [['rdma']] }),
}

export const shapeField = z
  .strictObject({
    cpus: written.meta({ description: 'CPUs of one node.', examples: [2, '0.5'] }),
    memory: sizeMiB('Memory of one node.'),
    disk: sizeMiB('Disk of one node.').default(10 * 1024),
    accelerators: z
      .string()
      .max(60)
      .optional()
      .meta({ description: 'Model and count of its accelerators.', examples: ['H200:8'] }),
    acceleratorMemory: sizeMiB('Memory of one accelerator.').default(0),
    ...untoldFields,
  })
  .transform(({ cpus, memory, disk, accelerators, acceleratorMemory, sharedMemory, network }, context): Shape => {
    const refuse = (path: string, { problem }: Unreadable) =>
      context.addIssue({ code: 'custom', path: [path], message: problem })
    const cpu = parseCpus(cpus)
    if ('problem' in cpu) refuse('cpus', cpu)
    const kind = accelerators === undefined ? undefined : parseAccelerator(accelerators)
    if (kind && 'problem' in kind) refuse('accelerators', kind)
    const known = kind && 'count' in kind ? kind : undefined
    if (known && isPart(known))
      refuse('accelerators', { problem: `a node has whole accelerators; write ${known.model ?? 'H200'}:8` })
    return {
      name: [...(known ? [`${known.count}x${known.model}`] : []), `${cpus}cpu`, formatSizeMiB(memory)].join('-'),
      ...(known?.model ? { accelerator: known.model } : {}),
      accelerators: known?.count ?? 0,
      acceleratorMemoryMiB: acceleratorMemory,
      cpuMilli: 'count' in cpu ? cpu.count : 0,
      memoryMiB: memory,
      diskMiB: disk,
      ...(sharedMemory !== undefined && { sharedMemoryMiB: sharedMemory }),
      ...(network && { network }),
    }
  })
  .meta({ description: 'What one node has.' })

export const siteFields = {
  name: Name,
  jurisdictions: z
    .array(Jurisdiction)
    .min(1)
    .max(50)
    .default([unknownCountry])
    .meta({ description: 'Its country first, then the groups it belongs to.' }),
  patience: durationMs('How long it may not answer before what runs there counts as lost.').default(60_000),
  upWithin: durationMs(
    'How long its nodes may take to come up before another site is tried; 2m without it, and 0.2 s a rank for more than 600.',
  ).optional(),
  tier: Tier.default('on-demand'),
  price: hourlyMicros('Price of one node for one hour.').default(0),
  nodes: z.int().min(1).max(10_000).default(1).meta({ description: 'How many nodes of `shape` it has.' }),
  terms: termsField.optional(),
  egress: egressField.optional(),
}

/** For `refine`: sites of one provider are told apart by their names. */
export const distinctNames = [
  ({ sites }: { sites: { name: string }[] }) => new Set(sites.map(({ name }) => name)).size === sites.length,
  { path: ['sites'], message: 'two sites have the same name' },
] as const satisfies [unknown, { path: PropertyKey[]; message: string }]
