import { type Outcome, succeed } from '#model/fault.ts'
import type { Offer } from '#model/offer.ts'
import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import type { Client } from './client.ts'
import type { KubernetesSite } from './config.ts'
import { acceleratorResourceOf, nodesOf } from './nodes.ts'
import { pagesOf } from './pages.ts'
import { KubernetesNode, PodUse } from './wire.ts'

/** The nodes of a cluster, and what its accelerators are called as a resource, by the name of a shape. */
export type Inventory = { nodes: Node[]; resources: Map<string, string> }

const running = encodeURIComponent('spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed')

/** Asks for all nodes and for all pods that take room on them. */
export async function takeInventory(
  { client, declared, house }: { client: Client; declared: KubernetesSite; house: string },
  signal: AbortSignal,
): Promise<Outcome<Inventory>> {
  const nodes = await pagesOf({ client, path: '/api/v1/nodes?', item: KubernetesNode }, signal)
  if (!nodes.ok) return nodes
  const pods = await pagesOf({ client, path: `/api/v1/pods?fieldSelector=${running}`, item: PodUse }, signal)
  if (!pods.ok) return pods
  const found = nodesOf({ site: declared.name, house, nodes: nodes.value, pods: pods.value, own: declared.topology })
  const resources = new Map(
    found.map(({ shape }, index) => [shape.name, acceleratorResourceOf(nodes.value[index]?.status.allocatable ?? {})]),
  )
  return succeed({ nodes: found, resources })
}

/** One offer for each kind of node, with as much as the least of them has, divisible, because pods run side by side. */
export function offersOf({ name, tier, price, prices, terms }: KubernetesSite, nodes: readonly Node[]): Offer[] {
  const kinds = Map.groupBy(nodes, ({ shape }) => shape.name)
  return [...kinds].map(([kind, alike]) => ({
    provider: 'kubernetes',
    site: name,
    tier,
    shape: alike.map(({ shape }) => shape).reduce(least),
    divisible: true,
    priceMicros: prices[kind] ?? price,
    available: alike.length,
    images: true,
    source: `the nodes of the cluster; priced by the declaration of site ${name}`,
    ...terms,
    asOf: Date.now(),
  }))
}

const least = (one: Shape, other: Shape): Shape => ({
  ...one,
  accelerators: Math.min(one.accelerators, other.accelerators),
  cpuMilli: Math.min(one.cpuMilli, other.cpuMilli),
  memoryMiB: Math.min(one.memoryMiB, other.memoryMiB),
  diskMiB: Math.min(one.diskMiB, other.diskMiB),
})
