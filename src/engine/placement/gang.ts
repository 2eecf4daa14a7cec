import type { GangRequest } from '#engine/cell/ask.ts'
import type { NodeClass } from '#engine/cell/cell.ts'
import type { RankSize } from '#engine/cell/sizes.ts'

import { requiredNetworks } from '#model/resources.ts'
import type { Look } from './look.ts'
import { countable, levelOf, oneUnit, type Ground } from './market.ts'
import type { Need } from './need.ts'
import { isAlike, portionOf } from './part.ts'

type Rules = Omit<GangRequest, 'roles'>

/** What is asked of the cell; with `isClose` inside one domain of the level that is only preferred. */
export function gangOf(need: Need, look: Look, isClose: boolean): GangRequest {
  const { ground } = look.candidate
  if (!ground.names) return { roles: [{ size: oneUnit, ranks: need.ranks }] }
  const roles = rolesAt(need, look)
  return { roles, ...rulesAt(need, ground, { isClose, isOne: roles.length === 1 }) }
}

/** Roles that take the same of nodes of the same kind are one to the cell: then there is nothing to pack. */
export function rolesAt(need: Need, { candidate, slices, mix }: Look): GangRequest['roles'] {
  const roles: GangRequest['roles'] = []
  let before: string | undefined
  for (const [i, { ranks, resources }] of need.roles.entries()) {
    const slice = slices[i]
    const { offer } = mix?.[i]?.look.candidate ?? candidate
    const networks = requiredNetworks(resources)
    const kind = `${offer.shape.name} ${networks.join()}`
    const allows = (node: NodeClass): boolean =>
      node.shape === offer.shape.name &&
      suits(need, node) &&
      networks.every((network) => node.network?.includes(network))
    const size: RankSize =
      offer.divisible && slice ? { ...countable(slice), ...portionOf(slice.part), allows } : { whole: true, allows }
    const last = roles.at(-1)
    if (last && isAlike(last.size, size) && before === kind) last.ranks += ranks
    else roles.push({ size, ranks })
    before = kind
  }
  return roles
}

/** Whether a node has the labels that are asked for, and no taint that is not tolerated. */
export function suits({ spec }: Need, { labels = {}, taints = [] }: Pick<NodeClass, 'labels' | 'taints'>): boolean {
  const { nodeLabels = {}, tolerations = [] } = spec.placement
  return (
    Object.entries(nodeLabels).every(([key, value]) => labels[key] === value) &&
    taints.every((taint) => tolerations.includes(taint))
  )
}

/** A node has one channel to the memory of others, which one rank takes; of several roles each rank has a whole node then. */
const onePerNode = { within: 'node', most: 1 } as const

type Asking = { isClose: boolean; isOne: boolean }

function rulesAt({ spec: { topology }, roles }: Need, ground: Ground, { isClose, isOne }: Asking): Rules {
  const isApart = isOne && roles.some(({ resources }) => requiredNetworks(resources).includes('imex'))
  if (!topology) return isApart ? { spread: { ...onePerNode, level: levelOf(ground, 'node') } } : {}
  const { within, required, slices, balanced, exclusive, spares } = topology
  const spread = isApart ? onePerNode : topology.spread
  return {
    ...((required || isClose) && { within: { level: levelOf(ground, within) } }),
    ...(slices && { slices: { ...slices, level: levelOf(ground, slices.within) } }),
    ...(balanced && { balanced: levelOf(ground, balanced) }),
    ...(spread && { spread: { ...spread, level: levelOf(ground, spread.within) } }),
    ...(exclusive && { exclusive: levelOf(ground, exclusive) }),
    ...(spares &&
      levelOf(ground, spares.within) > 0 && { spares: { ...spares, level: levelOf(ground, spares.within) } }),
  }
}
