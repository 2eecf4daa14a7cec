import type { Network } from '#model/resources.ts'
import { quantity } from './quantity.ts'

/** What device plug-ins call what lets a pod reach the memory of other nodes: of NVIDIA's network operator, and Amazon's. */
const exclusive: ReadonlySet<string> = new Set(['vpc.amazonaws.com/efa', 'nvidia.com/hostdev'])
/** One of these gives a pod all cards of its node, beside others. */
const isShared = (resource: string): boolean => resource.startsWith('rdma/')

/** Whether a resource is known to let a pod reach the memory of other nodes. */
export const isRdma = (resource: string): boolean => isShared(resource) || exclusive.has(resource)

/** The resources that pods ask for to have a part of what connects their node, and whether they can have IMEX. */
export type Fabric = { rdma: Record<string, number>; imex: boolean }

/** `own`: names of more resources, by the site's declaration. */
export function rdmaOf(allocatable: Record<string, string>, own: readonly string[] = []): Fabric['rdma'] {
  const amounts = Object.entries(allocatable)
    .filter(([name]) => isRdma(name) || own.includes(name))
    .map(([name, amount]) => [name, Math.floor(quantity(amount))] as const)
  return Object.fromEntries(amounts.filter(([, amount]) => amount > 0))
}

export const networksOf = ({ rdma, imex }: Fabric): Network[] => [
  ...(Object.keys(rdma).length > 0 ? ['rdma' as const] : []),
  ...(imex ? ['imex' as const] : []),
]

/** What all nodes of a kind have, each as much as the least of them. */
export const leastFabric = (one: Fabric, other: Fabric): Fabric => ({
  imex: one.imex && other.imex,
  rdma: Object.fromEntries(
    Object.entries(one.rdma).flatMap(([name, amount]) =>
      other.rdma[name] === undefined ? [] : [[name, Math.min(amount, other.rdma[name])]],
    ),
  ),
})

/**
 * What a pod asks for that has so large a part of its node: of cards that are given whole as large a part of them, one at
 * least; of those that all share, one.
 */
export const rdmaFor = ({ rdma }: Fabric, part: number): Record<string, string> =>
  Object.fromEntries(
    Object.entries(rdma).map(([name, amount]) => [
      name,
      String(isShared(name) ? 1 : Math.min(amount, Math.max(1, Math.floor(amount * part)))),
    ]),
  )
