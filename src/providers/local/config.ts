import { availableParallelism } from 'node:os'

import { z } from 'zod'

import type { EgressTariff } from '#model/egress.ts'
import type { Tier } from '#model/names.ts'
import type { OfferTerms } from '#model/offer.ts'
import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import { distinctNames, shapeField, siteFields } from '#providers/declared-site.ts'
import { keyedStore, namedStore, placedStore, type StoreDeclaration, storeFields } from '#providers/declared-store.ts'

import { referencePrice, referenceSource } from './reference-price.ts'

/** A site of this machine. */
export type LocalSite = StoreDeclaration & {
  name: string
  /** Its folder: while that is there, so is the site. */
  root: string
  /** Its country first, then the groups it belongs to. */
  jurisdictions: string[]
  /** How long it may not answer before what runs there counts as lost. */
  patienceMs: number
  upWithinMs?: number
  tier: Tier
  /** Price of one node for one hour, in micro-dollars. */
  priceMicros: number
  /** Where that price comes from, when the site does not declare it. */
  priceSource?: string
  /** Nodes as declared; absent for the machine itself, as measured. */
  nodes?: Node[]
  terms?: OfferTerms | undefined
  egress?: EgressTariff[] | undefined
}

const LocalSiteField = z
  .strictObject({
    ...siteFields,
    ...storeFields,
    root: z.string().max(1000).optional().meta({ description: 'Its folder; by default one that Isobar keeps.' }),
    shape: shapeField.optional().meta({ description: 'What one node has; by default this machine as measured.' }),
    topology: z
      .array(z.int().min(1).max(10_000))
      .max(6)
      .optional()
      .meta({
        description: 'Nodes in a domain, the tightest level first; without it each node stands alone.',
        examples: [[2, 4]],
      }),
    labels: z
      .record(z.string().min(1).max(317), z.string().max(200))
      .optional()
      .meta({ description: 'Labels of its nodes, which a spec may ask for.', examples: [{ rack: 'r1' }] }),
    taints: z
      .array(z.string().min(1).max(317))
      .max(50)
      .optional()
      .meta({
        description: 'Taints of its nodes: only who tolerates all of them comes there.',
        examples: [['debug-only']],
      }),
  })
  .refine(({ nodes, labels, taints, shape }) => shape !== undefined || (nodes === 1 && !labels && !taints), {
    path: ['shape'],
    message: 'declared nodes need a shape: say what each of them has, such as {cpus: 2, memory: 4GB}',
  })
  .refine(({ topology = [] }) => topology.every((size, level) => size % (topology[level - 1] ?? 1) === 0), {
    path: ['topology'],
    message: 'each domain consists of whole ones of the level before: make it a multiple, such as [2, 4]',
  })
  .refine(...namedStore)
  .refine(...placedStore)
  .refine(...keyedStore)

/** The file that declares the sites of this machine. */
export const LocalConfig = z.strictObject({ sites: z.array(LocalSiteField).min(1).max(100) }).refine(...distinctNames)
export type LocalConfig = z.output<typeof LocalConfig>

/** The sites that a file declares; `home` is the folder for those that name no root. */
export const localSites = (config: LocalConfig, home: string): LocalSite[] =>
  config.sites.map(({ name, root, patience, upWithin, price, nodes, shape, topology, labels, taints, ...rest }) => ({
    ...rest,
    name,
    root: root ?? `${home}/${name}`,
    patienceMs: patience,
    ...(upWithin === undefined ? {} : { upWithinMs: upWithin }),
    priceMicros: price,
    ...(shape ? { nodes: declaredNodes({ site: name, count: nodes, shape, topology, labels, taints }) } : {}),
  }))

/** What there is when nothing is declared: this machine, at what its vCPUs would cost elsewhere. */
export const defaultSites = (home: string): LocalSite[] =>
  localSites(LocalConfig.parse({ sites: [{ name: 'here' }] }), home).map((site) => ({
    ...site,
    priceMicros: referencePrice(availableParallelism()),
    priceSource: referenceSource,
  }))

type Declared = { site: string; count: number; shape: Shape; topology?: number[] | undefined } & Pick<
  Node,
  'labels' | 'taints'
>

function declaredNodes({ site, count, shape, topology, labels, taints }: Declared): Node[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `${site}-${index}`
    const domains = topology?.map((size, level) => `${site}-${level}-${Math.floor(index / size)}`) ?? [name]
    const marks = { ...(labels && { labels }), ...(taints && { taints }) }
    return { name, shape, path: [...domains, site], usable: true, ...marks }
  })
}
