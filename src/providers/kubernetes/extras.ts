import type { Shape } from '#model/resources.ts'
import { claimsOf } from './claims.ts'
import { type Fabric, leastFabric, rdmaFor } from './fabric.ts'
import type { Group } from './groups.ts'

/** What is known of a node beside what it has: how its accelerators and networks are asked for. */
export type Kind = {
  shape: Shape
  /** Accelerators are claimed, of that class; undefined where they are a resource. */
  deviceClass: string | undefined
  fabric: Fabric
}

/** What all of some nodes have, which were chosen alike. */
export const commonKind = (kinds: readonly Kind[]): Kind | undefined =>
  kinds.length === 0
    ? undefined
    : kinds.reduce((one, other) => ({ ...one, fabric: leastFabric(one.fabric, other.fabric) }))

/** Nothing is claimed or added. */
const plain: Pick<Kind, 'deviceClass' | 'fabric'> = { deviceClass: undefined, fabric: { rdma: {}, imex: false } }

/** `isApart`: each rank of the gang has a node of its own, of whose channel it may be sure. */
type Asking = { token: string; group: Group; kind: Kind | undefined; isApart: boolean }

export type Extras = ReturnType<typeof extrasOf>

/** What the pods of a group have beside CPUs, memory and accelerators that are a resource. */
export function extrasOf({ token, group, kind, isApart }: Asking) {
  const [first] = group.ranks
  const { deviceClass, fabric } = kind ?? plain
  const { network = {}, shape, sharedMemoryMiB } = first ?? {}
  const part = kind && shape ? partOf(shape, kind.shape) : 1
  const rdma = network.rdma === undefined ? {} : rdmaFor(fabric, part)
  const imex = network.imex === 'required' || (network.imex === 'preferred' && fabric.imex && isApart)
  const claimed = (shape?.accelerators ?? 0) > 0 ? deviceClass : undefined
  return {
    rdma,
    imex,
    /** The class of which accelerators are claimed, if they are. */
    claimed,
    lacksRdma: network.rdma === 'required' && Object.keys(rdma).length === 0,
    ...claimsOf({ token, group, claimsAccelerators: claimed !== undefined, imex }),
    locksMemory: Object.keys(rdma).length > 0,
    sharedMemory: sharedMemoryMiB === undefined ? {} : { sizeLimit: `${sharedMemoryMiB}Mi` },
  }
}

/** How much of a node it has: of its accelerators, or of its CPUs where there are none. */
const partOf = (rank: Shape, node: Shape): number =>
  node.accelerators > 0 ? rank.accelerators / node.accelerators : rank.cpuMilli / Math.max(1, node.cpuMilli)
