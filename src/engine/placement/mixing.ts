import type { Rule } from '#model/plan.ts'
import { requiredNetworks } from '#model/resources.ts'
import { isPlannedToDeadline } from '#model/spec/planned-to-deadline.ts'

import { lookAt, type Look, type Seated } from './look.ts'
import type { Candidate } from './market.ts'
import type { Need } from './need.ts'
import type { Round } from './round.ts'
import { objectionBy } from './rules.ts'

/** Rules that say whether a node has what a role asks for. */
export const having: readonly Rule[] = ['accelerator', 'cpus', 'memory', 'disk', 'network']
/** The others that a role must keep by itself on the offer that it stands on. */
const standing: readonly Rule[] = ['image', 'node', 'topology', 'price', 'capacity-block', 'site-limit', 'capacity']

/** Ways for a gang to stand beside the nodes of one offer: the cheapest are tried. */
const mostMixes = 8

/**
 * How a need sees all candidates. Where an offer of a site and tier suits all roles, a gang stands on nodes of one offer.
 * Where none does, the role that asks for the most accelerators has a look at each that suits it: roles that it suits too
 * stand there with it, and the others on other offers of that site and tier, the cheapest ways first.
 */
export function looksOf(need: Need, round: Round): Look[] {
  const looks = round.market.candidates.map((candidate) => lookAt(need, candidate))
  if (need.roles.length === 1) return looks
  const groups = Map.groupBy(looks, ({ candidate: { siteKey, offer } }) => `${siteKey} ${offer.tier}`)
  return [...groups.values()].flatMap((group) => mixedIn(need, group, round))
}

function mixedIn(need: Need, looks: Look[], round: Round): Look[] {
  const keeps = (rules: readonly Rule[], { need: whose, look }: Seated): boolean =>
    objectionBy(rules, whose, look, round)?.passing !== false
  if (looks.length === 1 || looks.some((look) => keeps(having, { need, look }))) return looks
  const suited = need.roles.map((role) => {
    const alone = { ...need, ranks: role.ranks, roles: [role] }
    const seats = looks.map(({ candidate }) => ({ need: alone, look: lookAt(alone, candidate) }))
    return seats.filter((one) => keeps(having, one))
  })
  // Beside ranks that share an accelerator no other has a whole node; and only there a rank with imex has one to itself.
  const isShared = suited.some((seats) => seats.some(({ look }) => look.slices.some(({ part }) => part)))
  const isMixable = ({ need: { roles }, look: { candidate } }: Seated): boolean => {
    const hasImex = roles.some(({ resources }) => requiredNetworks(resources).includes('imex'))
    return candidate.offer.divisible ? !hasImex : !isShared
  }
  const lasting = suited.map((seats) => seats.filter((one) => isMixable(one) && keeps(standing, one)))
  const most = isPlannedToDeadline(need.spec) ? 1 : mostMixes
  return looks.flatMap((look) => {
    const { candidate } = look
    const isSuited = (seats: readonly Seated[] = []): boolean => seats.some((one) => one.look.candidate === candidate)
    if (!isSuited(suited[mainOf(need)])) return look
    const seats = lasting.map((all, role) =>
      isSuited(suited[role]) ? all.filter((one) => one.look.candidate === candidate) : all,
    )
    const mixes = cheapest(seats, most)
    if (mixes.length === 0) return look
    return isMixing(candidate) ? mixes.map((mix) => mixed(candidate, mix)) : { ...look, lacksMixing: true as const }
  })
}

/** Whether an order may be for nodes of several of its site's offers, and we may choose them. */
const isMixing = ({ site, ground }: Candidate): boolean => site.info.mixesShapes === true && ground.names !== null

/** The number of the role that asks for the most accelerators, or else has the most ranks. */
function mainOf({ roles }: Need): number {
  const asked = roles.map(
    ({ ranks, resources }) => ranks * Math.max(0, ...resources.accelerators.map((one) => one.count)),
  )
  const weighs = roles.map(({ ranks }, i) => ({ i, asked: asked[i] ?? 0, ranks }))
  return weighs.sort((a, b) => b.asked - a.asked || b.ranks - a.ranks || a.i - b.i)[0]?.i ?? 0
}

/** The cheapest ways to give each role one of its seats; none where a role has none. */
function cheapest(seats: readonly (readonly Seated[])[], most: number): Seated[][] {
  let ways: Seated[][] = [[]]
  for (const all of seats)
    ways = ways
      .flatMap((way) => all.map((one) => [...way, one]))
      .sort((a, b) => priceOf(a) - priceOf(b)) // a stable sort: then by the names of offers
      .slice(0, most)
  return ways
}

const priceOf = (mix: readonly Seated[]): number => mix.reduce((sum, { look }) => sum + look.priceMicros, 0)

/** What all roles get together, each on its own offer. */
const mixed = (candidate: Candidate, mix: readonly Seated[]): Look => ({
  candidate,
  choice: Math.max(...mix.map(({ look }) => look.choice)),
  slices: mix.flatMap(({ look }) => look.slices),
  nodePriceMicros: Math.max(...mix.map(({ look }) => look.nodePriceMicros)),
  priceMicros: priceOf(mix),
  mix,
})
