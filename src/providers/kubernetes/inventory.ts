import { type Outcome, succeed } from '#model/fault.ts'
import type { Offer } from '#model/offer.ts'
import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import type { Client } from './client.ts'
import type { KubernetesSite } from './config.ts'
import { acceleratorResourceOf, nodesOf } from './nodes.ts'
import { eachPage, pagesOf } from './pages.ts'
import { createRoom, type Room } from './room.ts'
import { KubernetesNode, PodUse } from './wire.ts'

/** The nodes of a cluster, and what its accelerators are called as a resource, by the name of a shape. */
export type Inventory = { nodes: Node[]; resources: Map<string, string> }

/** Where all nodes are listed, and all pods that take room on them. */
export const inventoryPaths = {
  nodes: '/api/v1/nodes?',
  pods: `/api/v1/pods?fieldSelector=${encodeURIComponent('spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed')}`,
}

/** Asks for all nodes and for all pods that take room on them. */
export async function takeInventory(
  { client, declared, house }: { client: Client; declared: KubernetesSite; house: string },
  signal: AbortSignal,
): Promise<Outcome<Inventory>> {
  const nodes = await pagesOf({ client, path: inventoryPaths.nodes, item: KubernetesNode }, signal)
  if (!nodes.ok) return nodes
  const room = createRoom(house)
  const take = (pods: readonly PodUse[]): void => pods.forEach(room.put)
  const pods = await eachPage({ client, path: inventoryPaths.pods, item: PodUse }, { begin: room.clear, take }, signal)
  return pods.ok ? succeed(inventoryOf(declared, nodes.value, room)) : pods
}

/** What there is to be had, as it is offered and placed on. */
export function inventoryOf(declared: KubernetesSite, nodes: readonly KubernetesNode[], room: Room): Inventory {
  const found = nodesOf({ site: declared.name, nodes, room, own: declared.topology })
  const resources = new Map(
    found.map(({ shape }, index) => [shape.name, acceleratorResourceOf(nodes[index]?.status.allocatable ?? {})]),
  )
  return { nodes: found, resources }
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
