import { fail } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import type { Marks, Racks, SimulatedSite } from './options.ts'
import type { Supply } from './supply.ts'

/**
 * `cordoned`: it takes nothing new. `tainted`: it has one taint more (`repairTaint`). `down`: it is shown as unusable, and
 * `away`: it is not shown; what ran there is gone.
 */
export type Standing = 'up' | 'cordoned' | 'tainted' | 'down' | 'away'

/** What marks a node that is to be repaired, for whoever does not tolerate it. */
export const repairTaint = 'repair'

/** The nodes of a site that have names. How many there are of each pool is a matter of supply. */
export type Machines = {
  /** As they were told at an instant; `isTrue` is false where they are told as if nothing had happened to any. */
  inventory(of: { asOf: number; isTrue: boolean }): Node[]
  /** Why these ranks, each of its pool, cannot begin on the nodes that they name; null where they can. */
  refusal(ranks: readonly Seat[], at: { pools: readonly number[]; taken: readonly Seat[]; now: number }): Refusal | null
  change(node: string, standing: Standing, at: number): void
}

/** What a rank holds of a node. */
export type Seat = Pick<CredentialedOrder['ranks'][number], 'node' | 'shape' | 'part'>

type Refusal = ReturnType<typeof fail>
type Options = { site: Pick<SimulatedSite, 'name' | 'pools'>; racks: Racks; supply: Supply }

export function createMachines({ site, racks, supply }: Options): Machines {
  const changes: { at: number; node: string; standing: Standing }[] = []
  const standing = (node: string, at: number): Standing =>
    changes.findLast((one) => one.node === node && one.at <= at)?.standing ?? 'up'
  const pathOf = (pool: number, index: number): string[] => {
    const rack = Math.floor(index / racks.nodes)
    return [`r${pool}-${rack}`, `b${pool}-${Math.floor(rack / racks.inBlock)}`, site.name]
  }
  /** Whether it can take something now, as far as the site itself knows. */
  const isUp = (node: string, now: number): boolean => {
    const [, pool, index] = /^n(\d+)-(\d+)$/.exec(node) ?? []
    return index !== undefined && Number(index) < supply.pool(Number(pool), now).nodes && takesMore(standing(node, now))
  }

  return {
    inventory: ({ asOf, isTrue }) =>
      site.pools.flatMap(({ shape, nodes }, pool) =>
        Array.from({ length: isTrue ? supply.pool(pool, asOf).nodes : nodes }, (_, index) => {
          const name = nodeName(pool, index)
          const how = isTrue ? standing(name, asOf) : 'up'
          const marks = markedAs(racks.marks?.[index % racks.marks.length], how)
          return how === 'away' ? [] : [{ name, shape, path: pathOf(pool, index), usable: takesMore(how), ...marks }]
        }).flat(),
      ),
    refusal(ranks, { pools, taken, now }) {
      for (const [rank, { node = '' }] of ranks.entries()) {
        const { shape, divisible } = site.pools[pools[rank] ?? -1] ?? {}
        const here = [...taken, ...ranks].filter((seat) => seat.node === node)
        const hasRoom = divisible && shape ? fits(here, shape) : here.length === 1
        if (!isUp(node, now) || !hasRoom)
          return fail('no-capacity', 'elsewhere', `the node "${node}" of ${site.name} is not free`)
      }
      return null
    },
    change: (node, next, at) => void changes.push({ at, node, standing: next }),
  }
}

const takesMore = (how: Standing): boolean => how === 'up' || how === 'tainted'

/** Labels and taints as an inventory tells them: nothing where there are none. */
function markedAs(marks: Marks | undefined, how: Standing): Pick<Node, 'labels' | 'taints'> {
  const taints = [...(marks?.taints ?? []), ...(how === 'tainted' ? [repairTaint] : [])]
  return { ...(marks?.labels && { labels: marks.labels }), ...(taints.length > 0 && { taints }) }
}

/** What the node of a pool is called at its site. */
export const nodeName = (pool: number, index: number): string => `n${pool}-${index}`

const amounts = ['cpuMilli', 'memoryMiB', 'diskMiB', 'accelerators'] as const

/** Whether a node has as much as is held of it together. */
function fits(seats: readonly Seat[], node: Shape): boolean {
  const shared = Map.groupBy(
    seats.flatMap(({ part }) => part ?? []),
    ({ device }) => device,
  )
  return (
    amounts.every((name) => {
      const held = seats.reduce((sum, { shape }) => sum + shape[name], 0)
      return held + (name === 'accelerators' ? shared.size : 0) <= node[name]
    }) && shared.values().every((parts) => parts.reduce((sum, { shareMilli }) => sum + shareMilli, 0) <= 1000)
  )
}

/** What a part of a node costs in an hour: the largest of its shares of anything, rounded up. */
export const sharePrice = (priceMicros: number, node: Shape, { shape, part }: Omit<Seat, 'node'>): number =>
  Math.max(
    ...amounts.map((name) => {
      const milli = 1000 * shape[name] + (name === 'accelerators' ? (part?.shareMilli ?? 0) : 0)
      return node[name] === 0
        ? 0
        : Number((BigInt(priceMicros) * BigInt(milli) + BigInt(1000 * node[name] - 1)) / BigInt(1000 * node[name]))
    }),
  )
