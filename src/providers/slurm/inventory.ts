import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { GangOrder } from '#model/gang-folder.ts'
import type { Offer } from '#model/offer.ts'
import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'

import { boundsFor, type Standing } from './accounting.ts'
import { type Carrier, lookUp } from './carry.ts'
import type { SlurmSite } from './config.ts'
import type { Partition, SlurmNode } from './controller.ts'
import { openOrders } from './sight.ts'
import { pathsIn } from './topology.ts'

type Untold = Pick<SlurmSite, 'acceleratorMemoryMiB' | 'diskMiB' | 'sharedMemoryMiB' | 'network'>

/** What a node has, in the terms of the site. */
export function shapeOf(site: Untold, node: SlurmNode): Shape {
  const { cpus, memoryMiB, diskMiB, gpus } = node
  const model = gpus?.type?.toUpperCase()
  return {
    name: [...(gpus ? [`${gpus.count}x${model ?? 'gpu'}`] : []), `${cpus}cpu`, `${memoryMiB}MiB`].join('-'),
    ...(model === undefined ? {} : { accelerator: model }),
    accelerators: gpus?.count ?? 0,
    acceleratorMemoryMiB: gpus ? site.acceleratorMemoryMiB : 0,
    cpuMilli: cpus * 1000,
    memoryMiB,
    diskMiB: diskMiB > 0 ? diskMiB : site.diskMiB,
    ...(site.sharedMemoryMiB !== undefined && { sharedMemoryMiB: site.sharedMemoryMiB }),
    ...(site.network && { network: site.network }),
  }
}

/** One offer for each kind of node; divisible, because jobs share nodes, unless ours have theirs alone. */
export function offersOf(
  site: SlurmSite,
  { nodes }: Partition,
  { standing, now }: { standing: Standing | null; now: number },
): Offer[] {
  const kinds = Map.groupBy(nodes, (node) => JSON.stringify(shapeOf(site, node)))
  return [...kinds.values()].flatMap((alike) =>
    alike.slice(0, 1).map((node) => ({
      provider: 'slurm' as const,
      site: site.name,
      tier: site.tier,
      shape: shapeOf(site, node),
      divisible: !site.exclusive,
      priceMicros: site.priceMicros,
      available: alike.filter(({ usable }) => usable).length,
      ...boundsAt(standing, shapeOf(site, node)),
      images: false,
      source: `partition ${site.partition} as Slurm tells it; priced by the declaration of site ${site.name}`,
      ...site.terms,
      asOf: now,
    })),
  )
}

function boundsAt(standing: Standing | null, { accelerator }: Shape): Pick<Offer, 'bounds'> {
  const bounds = standing === null ? [] : boundsFor(standing, accelerator)
  return bounds.length === 0 ? {} : { bounds }
}

export type Inventory = { nodes: Node[]; partition: Partition }

/**
 * The nodes of a partition: where they stand, and what others use of them. What is in use is asked of nodes, which tell
 * it together, and never of jobs, of which there may be very many; what of it is ours, the orders on the disk say.
 */
export async function takeInventory(
  carrier: Carrier & { site: SlurmSite },
  signal: AbortSignal,
): Promise<Outcome<Inventory>> {
  const { site, controller } = carrier
  const topology = await controller.topology(signal)
  if (!topology.ok) return topology
  const paths = pathsIn(topology.value)
  if (typeof paths === 'string') return fail('invalid', 'elsewhere', `the topology of the cluster: ${paths}`)
  // Asked before the nodes: what starts in between is counted twice for a moment, as ours and as another's, and not as free.
  const ours = await ourUse(carrier, signal)
  if (!ours.ok) return ours
  const partition = await controller.partition(signal)
  if (!partition.ok) return partition
  const { nodes } = partition.value
  return succeed({
    partition: partition.value,
    nodes: nodes.map((node) => {
      const { name, usable, features, state, reason } = node
      const foreign = foreignOn(node, ours.value.get(name))
      return {
        name,
        shape: shapeOf(site, node),
        path: [...(paths.get(name) ?? [name]), site.name],
        usable,
        labels: {
          ...Object.fromEntries(features.map((feature) => [feature, 'true'])),
          ...(usable ? {} : { state, reason }),
        },
        ...(Object.values(foreign).some((amount) => amount > 0) && { foreign }),
      }
    }),
  })
}

type Amounts = { cpuMilli: number; memoryMiB: number; accelerators: number }

/** What is in use on a node and is none of ours. A gang of ours may take more there than it asked for: nobody else has it. */
function foreignOn({ used }: SlurmNode, ours: Amounts | undefined): NonNullable<Node['foreign']> {
  return {
    cpuMilli: Math.max(0, used.cpus * 1000 - (ours?.cpuMilli ?? 0)),
    memoryMiB: Math.max(0, used.memoryMiB - (ours?.memoryMiB ?? 0)),
    diskMiB: 0,
    accelerators: Math.max(0, used.gpus - (ours?.accelerators ?? 0)),
  }
}

/** What of each node ranks of ours have, that hold it now. */
async function ourUse(carrier: Carrier, signal: AbortSignal): Promise<Outcome<Map<string, Amounts>>> {
  const orders = (await openOrders(carrier.folder)).filter(({ ranks }) => ranks.some(({ node }) => node !== undefined))
  const jobs = await lookUp(
    carrier,
    orders.map(({ token }) => token),
    signal,
  )
  if (!jobs.ok) return jobs
  const use = new Map<string, Amounts>()
  for (const { token, ranks } of orders) {
    const phase = jobs.value.get(token)?.phase
    if (phase === 'running' || phase === 'ending') for (const rank of ranks) add(use, rank)
  }
  return succeed(use)
}

function add(use: Map<string, Amounts>, { node, shape }: GangOrder['ranks'][number]): void {
  if (node === undefined) return
  const before = use.get(node) ?? { cpuMilli: 0, memoryMiB: 0, accelerators: 0 }
  use.set(node, {
    cpuMilli: before.cpuMilli + shape.cpuMilli,
    memoryMiB: before.memoryMiB + shape.memoryMiB,
    accelerators: before.accelerators + shape.accelerators,
  })
}
