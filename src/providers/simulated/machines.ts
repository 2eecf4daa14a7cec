import { fail } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Node } from '#model/site.ts'
import type { Racks, SimulatedSite } from './options.ts'
import type { Supply } from './supply.ts'

/** `cordoned`: it takes nothing new. `down`: it is shown as unusable, and `away`: it is not shown; what ran there is gone. */
export type Standing = 'up' | 'cordoned' | 'down' | 'away'

/** The nodes of a site that have names. How many there are of each pool is a matter of supply. */
export type Machines = {
  /** As they were told at an instant; `isTrue` is false where they are told as if nothing had happened to any. */
  inventory(of: { asOf: number; isTrue: boolean }): Node[]
  /** Why these ranks cannot begin on the nodes that they name, where some are taken; null where they can. */
  refusal(ranks: CredentialedOrder['ranks'], taken: ReadonlySet<string>, now: number): ReturnType<typeof fail> | null
  change(node: string, standing: Standing, at: number): void
}

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
    return index !== undefined && Number(index) < supply.pool(Number(pool), now).nodes && standing(node, now) === 'up'
  }

  return {
    inventory: ({ asOf, isTrue }) =>
      site.pools.flatMap(({ shape, nodes }, pool) =>
        Array.from({ length: isTrue ? supply.pool(pool, asOf).nodes : nodes }, (_, index) => {
          const name = nodeName(pool, index)
          const how = isTrue ? standing(name, asOf) : 'up'
          return how === 'away' ? [] : [{ name, shape, path: pathOf(pool, index), usable: how === 'up' }]
        }).flat(),
      ),
    refusal(ranks, taken, now) {
      const asked = ranks.map(({ node = '' }) => node)
      const twice = asked.find((node, rank) => asked.indexOf(node) < rank)
      if (twice !== undefined) return fail('invalid', 'never', `two ranks are to have the node "${twice}"`)
      const lacking = asked.find((node) => taken.has(node) || !isUp(node, now))
      return lacking === undefined
        ? null
        : fail('no-capacity', 'elsewhere', `the node "${lacking}" of ${site.name} is not free`)
    },
    change: (node, next, at) => void changes.push({ at, node, standing: next }),
  }
}

/** What the node of a pool is called at its site. */
export const nodeName = (pool: number, index: number): string => `n${pool}-${index}`
