import { amountAtMost, createCell, type Amounts, type Cell, type NodeClass } from '#engine/cell/cell.ts'
import { setForeign, setUsable } from '#engine/cell/nodes.ts'
import { planOf } from '#engine/cell/plan.ts'
import type { Offer } from '#model/offer.ts'
import type { Start } from '#model/plan.ts'
import { siteKey, type Node } from '#model/site.ts'

import type { SiteFacts } from './facts.ts'

/** An offer at its site, and the ground that its gangs stand on. */
export type Candidate = { key: string; site: SiteFacts; siteKey: string; offer: Offer; ground: Ground }

/**
 * Where gangs stand: the nodes of a site, which all its offers share; or, where the provider chooses the nodes, as many
 * nodes without names as an offer has. Of those a rank takes one of the cell's units.
 */
export type Ground = {
  number: number
  cell: Cell
  /** By number; null where nodes have no names. */
  names: string[] | null
  numberOf: Map<string, number>
  /** Units of one node of the cell, and units given to leases so far: both for nodes without names only. */
  unitsPerNode: number
  taken: number
}

/** All that can be had; the grounds of sites that tell their nodes; and where is counted what nobody knows the place of. */
export type Market = {
  candidates: Candidate[]
  grounds: Ground[]
  namedAt: Map<string, Ground>
  elsewhere: Ground
  /** Sites that have offered nothing, or not yet: what they have, nobody knows. */
  unheard: string[]
}

/** The offers of all sites in an order that depends on what they are alone, and their cells. */
export function marketOf(sites: readonly SiteFacts[]): Market {
  const grounds: Ground[] = []
  const add = (ground: Omit<Ground, 'number'>): Ground => {
    const numbered = { ...ground, number: grounds.length }
    grounds.push(numbered)
    return numbered
  }
  const namedAt = new Map<string, Ground>()
  const candidates = sites
    .toSorted((a, b) => (a.site < b.site ? -1 : 1))
    .flatMap((site) => {
      const known = site.nodes && add(named(site.nodes))
      if (known) namedAt.set(siteKey(site.info), known)
      const unnamedOf = new Map<string, Ground>()
      return inOrder(site.offers).map((offer): Candidate => {
        const key = `${siteKey(site.info)} ${offer.tier} ${offer.shape.name}`
        const ground = known ?? unnamedOf.get(key) ?? add(unnamed(offer.available))
        unnamedOf.set(key, ground)
        return { key, site, siteKey: siteKey(site.info), offer, ground }
      })
    })
  const unheard = sites.flatMap(({ site, offers }) => (offers.length === 0 ? site : [])).sort()
  return { candidates, grounds, namedAt, elsewhere: add(unnamed(undefined)), unheard }
}

/** An offer among those of its site. */
export const nameOf = ({ tier, shape }: Offer): string => `${tier} ${shape.name}`

const inOrder = (offers: readonly Offer[]): Offer[] =>
  offers.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : a.priceMicros - b.priceMicros))

const atMost = (amount: number): number => Math.min(amountAtMost, Math.max(0, Math.ceil(amount)))

/** What may be more than a cell counts is counted as the most. */
export const countable = ({ accelerators, cpuMilli, memoryMiB, diskMiB }: Amounts): Amounts => ({
  accelerators: atMost(accelerators),
  cpuMilli: atMost(cpuMilli),
  memoryMiB: atMost(memoryMiB),
  diskMiB: atMost(diskMiB),
})

function named(nodes: readonly Node[]): Omit<Ground, 'number'> {
  const classes = new Map<string, NodeClass>()
  const { plan, names } = planOf(
    nodes.map(({ name, path, shape, labels, taints }) => {
      const key = JSON.stringify([shape, labels, taints])
      const nodeClass = classes.get(key) ?? {
        ...countable(shape),
        shape: shape.name,
        accelerator: shape.accelerator,
        labels,
        taints,
        network: shape.network,
        ...(shape.mig && { acceleratorMemoryMiB: shape.acceleratorMemoryMiB }),
      }
      classes.set(key, nodeClass)
      return { name, path, nodeClass }
    }),
  )
  const cell = createCell(plan)
  const numberOf = new Map(names.map((name, number) => [name, number]))
  for (const { name, usable, foreign } of nodes) {
    const node = numberOf.get(name) ?? 0
    if (foreign) setForeign(cell, node, countable(foreign))
    if (!usable) setUsable(cell, { first: node, end: node + 1, usable })
  }
  return { cell, names, numberOf, unitsPerNode: 1, taken: 0 }
}

/** More than so many nodes without names are counted in units of several. */
const namelessAtMost = 4096

/** Nodes that are alike: as many as there are to be had, or as many as can be counted. */
function unnamed(available = amountAtMost): Omit<Ground, 'number'> {
  const all = Math.min(available, amountAtMost)
  const unitsPerNode = all === amountAtMost ? all : Math.max(1, Math.ceil(all / namelessAtMost))
  const full = Math.floor(all / unitsPerNode)
  const rest = all - full * unitsPerNode
  const classOf = [...Array.from({ length: full }, () => 0), ...(rest > 0 || full === 0 ? [1] : [])]
  const cell = createCell({ classes: [unitsOf(unitsPerNode), unitsOf(rest)], classOf, domains: [] })
  return { cell, names: null, numberOf: new Map(), unitsPerNode, taken: 0 }
}

/** Whether more is held of nodes without names than there are: what is too much stands beside others on the last one. */
export const isOverfull = ({ names, taken, cell: { classes, classOf } }: Ground): boolean =>
  names === null && taken > 0 && taken > classOf.reduce((sum, one) => sum + (classes[one]?.cpuMilli ?? 0), 0)

/** Nodes without names are counted in a resource that all have. */
const unitsOf = (cpuMilli: number): NodeClass => ({ shape: '', accelerators: 0, cpuMilli, memoryMiB: 0, diskMiB: 0 })

/** The ground that a promise of an earlier round speaks of, if it is still there. */
export const groundOf = ({ namedAt, candidates }: Market, { site, offer }: Pick<Start, 'site' | 'offer'>) =>
  offer === undefined
    ? namedAt.get(site)
    : candidates.find((one) => one.siteKey === site && nameOf(one.offer) === offer)?.ground

/** What a rank takes of nodes without names. */
export const oneUnit = { cpuMilli: 1 }

export type Level = 'node' | 'nvlink' | 'block' | 'site'

/** The level of a cell that a word of the spec means; the loosest below the site where nodes tell fewer. */
export function levelOf({ cell }: Ground, level: Level): number {
  const site = cell.tree.levels - 1
  return level === 'site' ? site : Math.min({ node: 0, nvlink: 1, block: 2 }[level], site - 1)
}
