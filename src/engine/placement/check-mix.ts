import type { Offer } from '#model/offer.ts'
import type { Placement } from '#model/plan.ts'
import type { Resources } from '#model/resources.ts'

import { isKind } from './check-parts.ts'
import type { SiteFacts } from './facts.ts'

type Role = { nodes: number; resources: Resources }
type Mixed = { placement: Placement; site: SiteFacts; roles: readonly Role[] }

/**
 * What is wrong with a gang that stands on nodes of several offers. A site has to take such orders, and name its nodes; no
 * offer of that tier suits all roles; the role that asks for the most accelerators stands on the offer of the placement, and
 * so does every other whom that suits.
 */
export function* mixHolds({ placement, site, roles }: Mixed): Iterable<string> {
  const { ranks, tier, shape: own } = placement
  if (ranks.every(({ shape }) => shape === undefined)) return
  if (!site.info.mixesShapes || !site.nodes) yield 'its site takes no orders for nodes of several shapes'
  if (ranks.some(({ shape }) => shape === own)) yield 'a rank names the shape of its own offer'
  const stands = roles.map((role, i) => {
    const first = roles.slice(0, i).reduce((sum, { nodes }) => sum + nodes, 0)
    const shapes = new Set(ranks.slice(first, first + role.nodes).map(({ shape }) => shape))
    return { role, shapes, isBeside: !shapes.has(undefined) }
  })
  if (stands.some(({ shapes }) => shapes.size > 1)) yield 'ranks of one role stand on several offers'
  const most = Math.max(...roles.map(asked))
  const main = stands.filter(({ role }) => asked(role) === most)
  const ranksOfMain = Math.max(...main.map(({ role }) => role.nodes))
  if (main.find(({ role }) => role.nodes === ranksOfMain)?.isBeside) yield 'its main role stands beside its offer'
  for (const offer of site.offers.filter((one) => one.tier === tier)) {
    const fits = ({ resources }: Role): boolean => suits(resources, offer)
    if (roles.every(fits)) yield `${offer.shape.name} suits all its roles`
    else if (offer.shape.name === own && stands.some(({ role, isBeside }) => isBeside && fits(role)))
      yield 'a role stands beside the offer that suits it'
  }
}

const asked = ({ nodes, resources }: Role): number =>
  nodes * Math.max(0, ...resources.accelerators.map(({ count }) => count))

const amounts = ['cpuMilli', 'memoryMiB', 'diskMiB'] as const

/** Whether a node has what is asked for. Of parts of accelerators, and of imex on shared nodes, that is not said here. */
function suits(resources: Resources, { shape, divisible }: Offer): boolean {
  const { accelerators, sharedMemoryMiB = 0, network = {} } = resources
  const isEnough = amounts.every((name) => {
    const { count, atLeast } = resources[name]
    return divisible || atLeast ? shape[name] >= count : shape[name] === count || count === 0
  })
  const hasOne = accelerators.some(
    (one) =>
      one.shareMilli === undefined &&
      one.profile === undefined &&
      isKind(one, shape) &&
      shape.accelerators >= one.count,
  )
  return (
    isEnough &&
    sharedMemoryMiB <= (shape.sharedMemoryMiB ?? 0) &&
    (accelerators.length === 0 || hasOne) &&
    !(divisible && network.imex === 'required') &&
    (['rdma', 'imex'] as const).every((kind) => network[kind] !== 'required' || shape.network?.includes(kind))
  )
}
