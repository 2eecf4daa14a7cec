import type { Tier } from '#model/names.ts'
import type { NodePool } from '#model/node-pool.ts'
import type { Offer, OfferTerms } from '#model/offer.ts'
import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import { leastOf } from '#providers/kubernetes/inventory.ts'
import type { CoreweaveSite } from './config.ts'
import { listMicros, priceSource, shapeOfInstance } from './instances.ts'
import type { Pool, Pools } from './node-pools.ts'

// How nodes are sold. Nodes that are alike in what they have may be bought in several ways: what is bought differently is
// called differently, and so has an offer of its own.

/** Labels of nodes: of the first, docs.coreweave.com; the second is found on nodes, and the NodePool says the same. */
const labels = { pool: 'compute.coreweave.com/node-pool', class: 'compute.coreweave.com/compute-class' } as const
const instanceLabel = 'node.kubernetes.io/instance-type'

type Sale = { instance: string; pool: string | undefined; isSpot: boolean }

/** Nodes, each called after how it is bought. */
export const soldNodes = (site: CoreweaveSite, nodes: readonly Node[], { pools }: Pools): Node[] =>
  nodes.map((node) => ({ ...node, shape: named(site, node.shape, saleOf(node, pools)) }))

function saleOf({ labels: given = {} }: Node, pools: readonly Pool[]): Sale {
  const pool = pools.find(({ name }) => name === given[labels.pool])
  const isSpot = pool?.isSpot ?? given[labels.class] === 'spot'
  return { instance: given[instanceLabel] ?? '', pool: given[labels.pool], isSpot }
}

function named({ pools }: CoreweaveSite, shape: Shape, { pool, isSpot }: Sale): Shape {
  const suffix = pool !== undefined && pools[pool] ? `-${pool}` : isSpot ? '-spot' : ''
  return { ...shape, name: `${shape.name}${suffix}` }
}

/** One way to buy: what is there of it, and the pools that more may come from. */
type Kind = { shape: Shape; sale: Sale; available: number; pools: Pool[] }

/**
 * An offer for each way to buy each kind of node; also of a kind of which none is there yet, as long as nodes may come.
 * What nobody knows the price of is not offered.
 */
export function offersOf(site: CoreweaveSite, nodes: readonly Node[], { pools, unread }: Pools): Offer[] {
  const now = Date.now()
  return kindsOf(site, nodes, pools).flatMap(({ shape, sale, available, pools: its }) => {
    const price = priceOf(site, shape.name, sale)
    if (!price) return []
    const { tier, terms } = termsOf(site, sale)
    return {
      provider: 'coreweave' as const,
      site: site.name,
      tier,
      shape,
      divisible: true,
      priceMicros: price.micros,
      available,
      images: true,
      source: [price.source, ...(unread === null ? [] : [unread])].join('; '),
      ...terms,
      ...(its.length > 0 && { pools: its.map(bare) }),
      asOf: now,
    }
  })
}

/** Without what only we care for. */
function bare(pool: Pool): NodePool {
  const { instance: _, isSpot: __, ...its } = pool
  return its
}

function kindsOf(site: CoreweaveSite, nodes: readonly Node[], pools: readonly Pool[]): Kind[] {
  const kinds = new Map<string, Kind>()
  for (const alike of Map.groupBy(nodes, ({ shape }) => shape.name).values()) {
    const [first] = alike
    if (!first) continue
    const shape = leastOf(alike)
    kinds.set(shape.name, { shape, sale: saleOf(first, pools), available: alike.length, pools: [] })
  }
  for (const pool of pools) {
    const sale = { instance: pool.instance, pool: pool.name, isSpot: pool.isSpot }
    const plain = shapeOfInstance(pool.instance)
    const there = [...kinds.values()].find((kind) => isSame(site, kind.sale, sale))
    const kind = there ?? (plain && { shape: named(site, plain, sale), sale, available: 0, pools: [] })
    if (!kind || (!there && Math.max(pool.target, pool.most ?? 0) === 0)) continue
    kind.pools.push(pool)
    kinds.set(kind.shape.name, kind)
  }
  return [...kinds.values()]
}

const isSame = ({ pools }: CoreweaveSite, one: Sale, other: Sale): boolean => {
  const own = (sale: Sale) => (sale.pool !== undefined && pools[sale.pool] ? sale.pool : sale.isSpot)
  return one.instance === other.instance && own(one) === own(other)
}

const declaredOf = ({ pools }: CoreweaveSite, { pool }: Sale) => (pool === undefined ? undefined : pools[pool])

function termsOf(site: CoreweaveSite, sale: Sale): { tier: Tier; terms: OfferTerms | undefined } {
  const declared = declaredOf(site, sale)
  return { tier: declared?.tier ?? (sale.isSpot ? 'spot' : site.tier), terms: declared?.terms ?? site.terms }
}

/** What a node costs: as declared of the kind or of its pool, else by the list, else as declared of the site. */
export function priceOf(
  site: CoreweaveSite,
  shape: string,
  sale: Sale,
): { micros: number; source: string } | undefined {
  const declared = site.prices[shape] ?? declaredOf(site, sale)?.price
  if (declared !== undefined) return { micros: declared, source: `priced by the declaration of site ${site.name}` }
  const listed = listMicros(sale.instance, sale.isSpot)
  if (listed !== undefined) return { micros: listed, source: priceSource }
  return site.price === undefined
    ? undefined
    : { micros: site.price, source: `priced by the declaration of site ${site.name}` }
}

/** The price of the nodes that are called so; null where nobody knows it. */
export function priceOfKind(
  site: CoreweaveSite,
  nodes: readonly Node[],
  { pools }: Pools,
): (shape: string) => number | null {
  return (shape) => {
    const node = nodes.find((one) => one.shape.name === shape)
    return (node && priceOf(site, shape, saleOf(node, pools))?.micros) ?? null
  }
}
