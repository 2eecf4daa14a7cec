import { availableParallelism } from 'node:os'

import { z } from 'zod'

import type { Unreadable } from '#kit/duration.ts'
import { Jurisdiction, Name, Tier } from '#model/names.ts'
import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import { parseAccelerator, parseCpus } from '#model/spec/resources-text.ts'
import { formatSizeMiB } from '#kit/size.ts'
import { durationMs, hourlyMicros, sizeMiB } from '#model/spec/text.ts'

import { referencePrice, referenceSource } from './reference-price.ts'

/** A site of this machine. */
export type LocalSite = {
  name: string
  /** Its folder: while that is there, so is the site. */
  root: string
  /** Its country first, then the groups it belongs to. */
  jurisdictions: string[]
  /** How long it may not answer before what runs there counts as lost. */
  patienceMs: number
  tier: Tier
  /** Price of one node for one hour, in micro-dollars. */
  priceMicros: number
  /** Where that price comes from, when the site does not declare it. */
  priceSource?: string
  /** Nodes as declared; absent for the machine itself, as measured. */
  nodes?: Node[]
}

/** Country code for "not known", which ISO 3166-1 leaves to its users: rules on residency then refuse the site. */
const unknownCountry = 'ZZ'

const written = z.union([z.string().max(60), z.number()])

const ShapeField = z
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
  })
  .transform(({ cpus, memory, disk, accelerators, acceleratorMemory }, context): Shape => {
    const refuse = (path: string, { problem }: Unreadable) =>
      context.addIssue({ code: 'custom', path: [path], message: problem })
    const cpu = parseCpus(cpus)
    if ('problem' in cpu) refuse('cpus', cpu)
    const kind = accelerators === undefined ? undefined : parseAccelerator(accelerators)
    if (kind && 'problem' in kind) refuse('accelerators', kind)
    const known = kind && 'count' in kind ? kind : undefined
    return {
      name: [...(known ? [`${known.count}x${known.model}`] : []), `${cpus}cpu`, formatSizeMiB(memory)].join('-'),
      ...(known?.model ? { accelerator: known.model } : {}),
      accelerators: known?.count ?? 0,
      acceleratorMemoryMiB: acceleratorMemory,
      cpuMilli: 'count' in cpu ? cpu.count : 0,
      memoryMiB: memory,
      diskMiB: disk,
    }
  })
  .meta({ description: 'What one node has.' })

const LocalSiteField = z
  .strictObject({
    name: Name,
    root: z.string().max(1000).optional().meta({ description: 'Its folder; by default one that Isobar keeps.' }),
    jurisdictions: z
      .array(Jurisdiction)
      .min(1)
      .max(50)
      .default([unknownCountry])
      .meta({ description: 'Its country first, then the groups it belongs to.' }),
    patience: durationMs('How long it may not answer before what runs there counts as lost.').default(60_000),
    tier: Tier.default('on-demand'),
    price: hourlyMicros('Price of one node for one hour.').default(0),
    nodes: z.int().min(1).max(10_000).default(1).meta({ description: 'How many nodes of `shape` it has.' }),
    shape: ShapeField.optional().meta({ description: 'What one node has; by default this machine as measured.' }),
  })
  .refine(({ nodes, shape }) => shape !== undefined || nodes === 1, {
    path: ['shape'],
    message: 'several nodes need a shape: say what each of them has, such as {cpus: 2, memory: 4GB}',
  })

/** The file that declares the sites of this machine. */
export const LocalConfig = z
  .strictObject({ sites: z.array(LocalSiteField).min(1).max(100) })
  .refine(({ sites }) => new Set(sites.map(({ name }) => name)).size === sites.length, {
    path: ['sites'],
    message: 'two sites have the same name',
  })
export type LocalConfig = z.output<typeof LocalConfig>

/** The sites that a file declares; `home` is the folder for those that name no root. */
export const localSites = (config: LocalConfig, home: string): LocalSite[] =>
  config.sites.map(({ name, root, patience, price, nodes, shape, ...rest }) => ({
    ...rest,
    name,
    root: root ?? `${home}/${name}`,
    patienceMs: patience,
    priceMicros: price,
    ...(shape ? { nodes: declaredNodes(name, nodes, shape) } : {}),
  }))

/** What there is when nothing is declared: this machine, at what its vCPUs would cost elsewhere. */
export const defaultSites = (home: string): LocalSite[] =>
  localSites(LocalConfig.parse({ sites: [{ name: 'here' }] }), home).map((site) => ({
    ...site,
    priceMicros: referencePrice(availableParallelism()),
    priceSource: referenceSource,
  }))

function declaredNodes(site: string, count: number, shape: Shape): Node[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `${site}-${index}`
    return { name, shape, path: [name, site], usable: true }
  })
}
