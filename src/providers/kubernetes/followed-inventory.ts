import type { Client } from './client.ts'
import type { KubernetesSite } from './config.ts'
import { createDevices, deviceLists, ResourceClaim, ResourceSlice } from './devices.ts'
import { follow } from './follow.ts'
import { type Inventory, inventoryLists, inventoryOf } from './inventory.ts'
import { keptIn } from './kept.ts'
import { listsOfOthers, type Ours } from './names.ts'
import type { Notices } from './notices.ts'
import { createRoom } from './room.ts'
import { KubernetesNode, PodUse } from './wire.ts'

export type FollowedInventory = {
  /** What there is to be had; null while it is not known to be what is there. */
  inventory(declared: KubernetesSite): Inventory | null
  stop(): void
}

type Options = {
  client: Client
  ours: Ours
  notices: Notices
  /** Nodes say something else of their end than before. */
  noticed(): void
}

/** The nodes of a cluster and what others use of them, as it tells of them to whoever watches. */
export function followInventory({ client, ours, notices, noticed }: Options): FollowedInventory {
  const nodes = new Map<string, KubernetesNode>()
  const room = createRoom()
  const devices = createDevices()
  let known: Inventory | null = null
  const changed = (): void => void (known = null)
  const nodesChanged = (): void => {
    changed()
    if (notices.take(nodes.values())) noticed()
  }
  const mayLack = { client, changed, isOptional: true }
  const followed = [
    follow({ client, path: inventoryLists.nodes, item: KubernetesNode, ...keptIn(nodes, bare), changed: nodesChanged }),
    ...listsOfOthers(inventoryLists.pods, ours).map((path) =>
      follow({ client, path, item: PodUse, ...room.part(), changed }),
    ),
    follow({ ...mayLack, path: deviceLists.slices, item: ResourceSlice, ...devices.slices }),
    ...listsOfOthers(deviceLists.claims, ours).map((path) =>
      follow({ ...mayLack, path, item: ResourceClaim, ...devices.claims() }),
    ),
  ]
  return {
    inventory(declared) {
      if (!followed.every((one) => one.isLive())) return null
      known ??= inventoryOf(declared, [...nodes.values()], { room, devices })
      return known
    },
    stop: () => followed.forEach((one) => one.stop()),
  }
}

/** Without what is the most of a node and not read: annotations, and all conditions but one. */
const bare = ({ metadata, spec, status }: KubernetesNode): KubernetesNode => ({
  metadata: { ...metadata, annotations: {} },
  spec,
  status: { ...status, conditions: status.conditions.filter(({ type }) => type === 'Ready') },
})
