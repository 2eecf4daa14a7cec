import { type Outcome, succeed } from '#model/fault.ts'
import type { Offer } from '#model/offer.ts'
import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import type { Client } from './client.ts'
import type { KubernetesSite } from './config.ts'
import { createDevices, deviceLists, type Devices, ResourceClaim, ResourceSlice } from './devices.ts'
import type { Kind } from './extras.ts'
import { isNone } from './faults.ts'
import { listsOfOthers, type Ours } from './names.ts'
import type { Notices } from './notices.ts'
import { acceleratorResourceOf, claimedAt, fabricAt, nodesOf } from './nodes.ts'
import { eachPage, pagesOf } from './pages.ts'
import { createRoom, type Room } from './room.ts'
import { KubernetesNode, PodUse } from './wire.ts'

/** The nodes of a cluster; what accelerators are called as a resource, by the name of a shape, and what else is known of each node. */
export type Inventory = { nodes: Node[]; resources: Map<string, string>; kinds: Map<string, Kind> }

/** Where all nodes are listed, and all pods that take room on them. */
export const inventoryLists = {
  nodes: '/api/v1/nodes?',
  pods: {
    group: '/api/v1',
    kind: 'pods',
    fields: ['spec.nodeName!=', 'status.phase!=Succeeded', 'status.phase!=Failed'],
  },
} as const

/** Asks for all nodes and for all pods of others that take room on them. `ours` is null where nothing of ours can be. */
export async function takeInventory(
  {
    client,
    declared,
    ours,
    notices,
  }: { client: Client; declared: KubernetesSite; ours: Ours | null; notices?: Notices },
  signal: AbortSignal,
): Promise<Outcome<Inventory>> {
  const nodes = await pagesOf({ client, path: inventoryLists.nodes, item: KubernetesNode }, signal)
  if (!nodes.ok) return nodes
  notices?.take(nodes.value)
  const room = createRoom()
  for (const path of listsOfOthers(inventoryLists.pods, ours)) {
    const { clear: begin, put } = room.part()
    const take = (pods: readonly PodUse[]): void => pods.forEach(put)
    const pods = await eachPage({ client, path, item: PodUse }, { begin, take }, signal)
    if (!pods.ok) return pods
  }
  const devices = await takeDevices({ client, ours }, signal)
  return devices.ok ? succeed(inventoryOf(declared, nodes.value, { room, devices: devices.value })) : devices
}

/** What drivers tell of by themselves: nothing where a cluster knows no such devices, or does not let us see them. */
async function takeDevices(
  { client, ours }: { client: Client; ours: Ours | null },
  signal: AbortSignal,
): Promise<Outcome<Devices>> {
  const devices = createDevices()
  const { slices } = devices
  const take = (some: readonly ResourceSlice[]): void => some.forEach(slices.put)
  const found = await eachPage(
    { client, path: deviceLists.slices, item: ResourceSlice },
    { begin: slices.clear, take },
    signal,
  )
  if (!found.ok) return isNone(found.fault) ? succeed(devices) : found
  if (devices.isEmpty()) return succeed(devices)
  for (const path of listsOfOthers(deviceLists.claims, ours)) {
    const { clear: begin, put } = devices.claims()
    const takeClaims = (some: readonly ResourceClaim[]): void => some.forEach(put)
    const claimed = await eachPage({ client, path, item: ResourceClaim }, { begin, take: takeClaims }, signal)
    if (!claimed.ok) return claimed
  }
  return succeed(devices)
}

/** What there is to be had, as it is offered and placed on. */
export function inventoryOf(
  declared: KubernetesSite,
  nodes: readonly KubernetesNode[],
  { room, devices }: { room: Room; devices: Devices },
): Inventory {
  const { topology: own, rdma, notices } = declared
  const found = nodesOf({ site: declared.name, nodes, room, own, rdma, notices, devices })
  const resources = new Map(
    found.map(({ shape }, index) => [shape.name, acceleratorResourceOf(nodes[index]?.status.allocatable ?? {})]),
  )
  const kinds = new Map<string, Kind>()
  for (const [index, { metadata, status }] of nodes.entries()) {
    const shape = found[index]?.shape
    const told = { name: metadata.name, labels: metadata.labels, allocatable: status.allocatable }
    const deviceClass = claimedAt({ ...told, devices })?.deviceClass
    if (shape) kinds.set(metadata.name, { shape, deviceClass, fabric: fabricAt(told, { own, rdma, devices }) })
  }
  return { nodes: found, resources, kinds }
}

/**
 * One offer for each kind of node, with as much as the least of them has and every network that one of them has; divisible,
 * because pods run side by side.
 */
export function offersOf({ name, tier, price, prices, terms }: KubernetesSite, nodes: readonly Node[]): Offer[] {
  const kinds = Map.groupBy(nodes, ({ shape }) => shape.name)
  return [...kinds].map(([kind, alike]) => ({
    provider: 'kubernetes',
    site: name,
    tier,
    shape: leastOf(alike),
    divisible: true,
    priceMicros: prices[kind] ?? price,
    available: alike.length,
    images: true,
    source: `the nodes of the cluster; priced by the declaration of site ${name}`,
    ...terms,
    asOf: Date.now(),
  }))
}

function networksIn(alike: readonly Node[]): Pick<Shape, 'network'> {
  const network = [...new Set(alike.flatMap(({ shape }) => shape.network ?? []))].sort()
  return network.length > 0 ? { network } : {}
}

/** What each of them has at the least; of one or more. */
export const leastOf = (alike: readonly Node[]): Shape => ({
  ...alike.map(({ shape }) => shape).reduce(least),
  ...networksIn(alike),
})

const least = (one: Shape, other: Shape): Shape => ({
  ...one,
  accelerators: Math.min(one.accelerators, other.accelerators),
  cpuMilli: Math.min(one.cpuMilli, other.cpuMilli),
  memoryMiB: Math.min(one.memoryMiB, other.memoryMiB),
  diskMiB: Math.min(one.diskMiB, other.diskMiB),
  sharedMemoryMiB: Math.min(one.sharedMemoryMiB ?? 0, other.sharedMemoryMiB ?? 0),
})
