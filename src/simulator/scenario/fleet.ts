import { z } from 'zod'

import { migProfiles } from '#engine/sharing/mig-cuts.ts'
import { formatSizeMiB } from '#kit/size.ts'
import { Jurisdiction, ProviderName, Tier } from '#model/names.ts'
import { hourlyMicros, sizeMiB } from '#model/spec/text.ts'
import type { Input } from '#simulator/traces/input.ts'
import type { Unit } from '#simulator/traces/job.ts'

import { readDocument } from './document.ts'

/** Equal nodes of one site, bought in one way. They are numbered one after another. */
export type NodeGroup = {
  number: number
  /** `provider/name`. */
  site: string
  provider: ProviderName
  jurisdictions: string[]
  shape: string
  unit: Unit
  /** Of one node: accelerators, or thousandths of a core. */
  size: number
  /** The number of its first node. */
  first: number
  count: number
  /** Nodes in a topology domain, the tightest level first. */
  domains: number[]
  /** The model of its accelerators and the memory of one, where they are told; whether they can be had in slices (MIG). */
  accelerator?: string | undefined
  acceleratorMemoryMiB?: number | undefined
  mig?: true | undefined
  tier: Tier
  /** For one node and one hour. */
  priceMicros: number
}

export type Fleet = { groups: readonly NodeGroup[]; nodes: number }

const GroupField = z
  .strictObject({
    shape: z
      .string()
      .min(1)
      .max(100)
      .meta({ description: 'What such a node is called.', examples: ['h100x8'] }),
    count: z
      .int()
      .min(1)
      .max(5_000_000)
      .meta({ description: 'How many there are.', examples: [64] }),
    accelerators: z
      .int()
      .min(1)
      .max(1024)
      .optional()
      .meta({ description: 'Accelerators in one.', examples: [8] }),
    accelerator: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .meta({ description: 'Model of its accelerators.', examples: ['H100'] }),
    acceleratorMemory: sizeMiB('Memory of one accelerator.').optional(),
    mig: z.boolean().default(false).meta({ description: 'Whether its accelerators can be had in slices (MIG).' }),
    cpus: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .meta({ description: 'Cores of one that has none.', examples: [96] }),
    topology: z
      .array(z.int().min(1))
      .max(6)
      .default([])
      .meta({ description: 'Nodes in a domain, the tightest level first.', examples: [[4, 16]] }),
    tier: Tier.default('on-demand'),
    price: hourlyMicros('Price of one node for an hour.').default(0),
  })
  .refine((group) => (group.accelerators === undefined) !== (group.cpus === undefined), {
    message: 'must have either accelerators or cpus; write for example accelerators: 8',
  })

const FleetFile = z.strictObject({
  sites: z
    .array(
      z.strictObject({
        provider: ProviderName,
        name: z
          .string()
          .min(1)
          .max(63)
          .meta({ description: 'Name of the site.', examples: ['us-east-1'] }),
        jurisdictions: z.array(Jurisdiction).max(50).default([]).meta({ description: 'Where it is.' }),
        nodes: z.array(GroupField).min(1).max(100),
      }),
    )
    .min(1)
    .max(1000),
})

/** More nodes in all would not fit into memory beside the work. */
const mostNodes = 20_000_000

export function readFleet(input: Input): Fleet {
  const { value, wrong } = readDocument(input, FleetFile, 'a fleet')
  const groups: NodeGroup[] = []
  const sites = new Set<string>()
  let nodes = 0
  for (const [s, site] of value.sites.entries()) {
    const key = `${site.provider}/${site.name}`
    if (sites.has(key)) throw wrong(['sites', s, 'name'], `${key} is there twice`, 'give each site a name of its own')
    sites.add(key)
    for (const [n, group] of site.nodes.entries()) {
      const inner = group.topology.find((size, level) => size % (group.topology[level - 1] ?? 1) !== 0)
      if (inner !== undefined)
        throw wrong(
          ['sites', s, 'nodes', n, 'topology'],
          `a domain of ${inner} nodes does not consist of whole ones of the level before`,
          'make each a multiple of the one before it, such as [4, 16]',
        )
      const { accelerator, acceleratorMemory: memoryMiB } = group
      const told = (['accelerator', 'acceleratorMemory', 'mig'] as const).find((field) => group[field])
      if (told && group.accelerators === undefined)
        throw wrong(['sites', s, 'nodes', n, told], 'these nodes have no accelerators', 'leave it out, or say how many')
      if (group.mig && migProfiles({ model: accelerator ?? '', memoryMiB: memoryMiB ?? 0 }).size === 0)
        throw wrong(
          ['sites', s, 'nodes', n, 'mig'],
          `nobody knows how MIG cuts ${accelerator ?? 'accelerators'} of ${formatSizeMiB(memoryMiB ?? 0)}`,
          'name a model and its memory, such as accelerator: H100 and acceleratorMemory: 80GB',
        )
      groups.push({
        number: groups.length,
        site: key,
        provider: site.provider,
        jurisdictions: site.jurisdictions,
        shape: group.shape,
        unit: group.accelerators === undefined ? 'cpu' : 'gpu',
        size: group.accelerators ?? (group.cpus ?? 0) * 1000,
        first: nodes,
        count: group.count,
        domains: group.topology,
        ...(accelerator !== undefined && { accelerator }),
        ...(memoryMiB !== undefined && { acceleratorMemoryMiB: memoryMiB }),
        ...(group.mig && { mig: true as const }),
        tier: group.tier,
        priceMicros: group.price,
      })
      nodes += group.count
      if (nodes > mostNodes)
        throw wrong(['sites', s, 'nodes', n, 'count'], 'these are too many nodes', `use fewer than ${mostNodes}`)
    }
  }
  return { groups, nodes }
}
