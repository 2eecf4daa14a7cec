import { availableParallelism } from 'node:os'

import { z } from 'zod'

import type { Tier } from '#model/names.ts'
import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import { distinctNames, shapeField, siteFields } from '#providers/declared-site.ts'

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

const LocalSiteField = z
  .strictObject({
    ...siteFields,
    root: z.string().max(1000).optional().meta({ description: 'Its folder; by default one that Isobar keeps.' }),
    shape: shapeField.optional().meta({ description: 'What one node has; by default this machine as measured.' }),
  })
  .refine(({ nodes, shape }) => shape !== undefined || nodes === 1, {
    path: ['shape'],
    message: 'several nodes need a shape: say what each of them has, such as {cpus: 2, memory: 4GB}',
  })

/** The file that declares the sites of this machine. */
export const LocalConfig = z.strictObject({ sites: z.array(LocalSiteField).min(1).max(100) }).refine(...distinctNames)
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
