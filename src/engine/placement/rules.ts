import { objectionToBlock } from '#engine/market/block.ts'
import { rules, type Rule } from '#model/plan.ts'
import type { Quota } from '#model/project.ts'
import { formatInstant } from '#kit/instant.ts'
import { formatSizeMiB } from '#kit/size.ts'
import type { Amount } from '#model/resources.ts'

import { largestEmpty, largestFree, levelOf, siteLevel, type Fleet, type Size } from './fleet.ts'
import type { Need } from './need.ts'
import { inFrontOf } from './queue.ts'
import { useOf, type Candidate, type Look, type Round } from './round.ts'
import { isOfKind } from './slice.ts'
import * as say from './words.ts'

/** What a rule has against a candidate. `passing`: time may cure it; else only other offers, rules or wishes can. */
export type Objection = { rule: Rule; detail: string; passing: boolean }

type Found = Omit<Objection, 'rule'> | null
const never = (detail: string): Found => ({ detail, passing: false })
const notNow = (detail: string): Found => ({ detail, passing: true })

/** The hard rules, one function each. A rule that cannot be checked refuses. */
const tests: Record<Rule, (need: Need, look: Look, round: Round) => Found> = {
  'site-unreachable': (_, { candidate: { site } }) => {
    if (site.reach === 'reachable') return null
    const what = site.reach === 'denied' ? 'refuses our credential' : 'does not answer'
    return notNow(`it ${what}${site.detail === '' ? '' : `: ${site.detail}`}`)
  },

  'recently-refused': ({ replica }, { candidate }, { now }) => {
    const until = replica.avoid[candidate.siteKey] ?? 0
    return until > now ? notNow(`it refused this lately; it is asked again from ${formatInstant(until)} on`) : null
  },

  'provider-not-allowed': ({ spec, policy, project }, { candidate: { offer } }) =>
    notAmong([offer.provider], spec.placement.providers, 'the spec') ??
    notAmong([offer.provider], policy.providers, `project ${project.name}`),

  'site-not-allowed': ({ spec }, { candidate }) => notAmong([candidate.siteKey], spec.placement.sites, 'the spec'),

  'tier-not-allowed': ({ spec }, { candidate: { offer } }) => notAmong([offer.tier], spec.placement.tiers, 'the spec'),

  jurisdiction: ({ spec, policy, project }, { candidate: { site } }) =>
    notAmong(site.info.jurisdictions, spec.placement.jurisdictions, 'the spec') ??
    notAmong(site.info.jurisdictions, policy.jurisdictions, `project ${project.name}`),

  residency: ({ spec }, { candidate: { site } }) => {
    for (const { name, jurisdictions } of spec.data) {
      const found = notAmong(site.info.jurisdictions, jurisdictions, `data set ${name}`)
      if (found) return found
    }
    return null
  },

  image: ({ spec }, { candidate: { offer } }) =>
    spec.image === undefined || offer.images ? null : never('it runs no container images'),

  accelerator: (need, { candidate: { offer }, choice }) => {
    if (choice !== -1) return null
    const { shape } = offer
    const ofKind = need.resources.accelerators.some((request) => isOfKind(request, shape))
    const has = shape.accelerators === 0 ? 'no accelerator' : `${shape.accelerators} ${shape.accelerator ?? 'unnamed'}`
    const each = shape.accelerators === 0 || ofKind ? '' : ` (${formatSizeMiB(shape.acceleratorMemoryMiB)} each)`
    return never(`a node has ${has}${each}, asked for ${say.anyAccelerators(need)}`)
  },

  cpus: ({ resources }, { candidate: { offer } }) =>
    tooLittle(resources.cpuMilli, offer.shape.cpuMilli, {
      divisible: offer.divisible,
      say: (n) => say.count(n / 1000, 'CPU'),
    }),

  memory: ({ resources }, { candidate: { offer } }) =>
    tooLittle(resources.memoryMiB, offer.shape.memoryMiB, {
      divisible: offer.divisible,
      say: (n) => `${formatSizeMiB(n)} of memory`,
    }),

  disk: ({ resources }, { candidate: { offer } }) =>
    tooLittle(resources.diskMiB, offer.shape.diskMiB, {
      divisible: offer.divisible,
      say: (n) => `${formatSizeMiB(n)} of disk`,
    }),

  topology: (need, { candidate: { fleet }, size }) => {
    const { topology } = need.spec
    if (!topology?.required || topology.within === 'site' || need.ranks === 1) return null
    if (!fleet) return never(`it does not tell how its nodes are connected, asked for one ${topology.within}`)
    const most = largestEmpty(fleet, size, levelOf(fleet, topology.within))
    return most >= need.ranks
      ? null
      : never(`needs ${say.nodes(need)} in one ${topology.within}; the largest holds ${most} when all is free`)
  },

  price: ({ spec, policy, project }, { nodePriceMicros }) => {
    const costs = () => `costs ${say.hourly(nodePriceMicros)} a node`
    const { maxPriceMicros } = spec.placement
    if (maxPriceMicros !== undefined && nodePriceMicros > maxPriceMicros)
      return never(`${costs()}, above the ${say.hourly(maxPriceMicros)} of the spec`)
    return policy.maxPriceMicros !== undefined && nodePriceMicros > policy.maxPriceMicros
      ? never(`${costs()}, above the ${say.hourly(policy.maxPriceMicros)} of project ${project.name}`)
      : null
  },

  'capacity-block': ({ spec }, { candidate: { offer } }, { now }) => objectionToBlock(spec, offer, now),

  quota: (need, { slice }, round) => {
    const { quota, name } = need.project
    const use = useOf(round, name)
    const wants = {
      cpuMilli: slice.cpuMilli * need.ranks,
      accelerators: slice.accelerators * need.ranks,
      nodes: need.ranks,
    }
    for (const kind of ['accelerators', 'nodes', 'cpuMilli'] as const satisfies (keyof Quota)[]) {
      const most = quota[kind] ?? Number.POSITIVE_INFINITY
      if (use[kind] + wants[kind] <= most || wants[kind] === 0) continue
      const [needed = 0, allowed, used] = [wants[kind], most, use[kind]].map((n) => n / quotaUnits[kind].size)
      const detail = `needs ${say.count(needed, quotaUnits[kind].noun)}; project ${name} may hold ${allowed} and holds ${used}`
      return wants[kind] > most ? never(detail) : notNow(detail)
    }
    return null
  },

  // A gang goes whole, so a share can only be kept to the nearest gang: a provider that is below its share, counted with
  // this gang, may take it. Anything stricter could never place the first one, nor any once the shares are even.
  'provider-share': ({ policy, project, ranks }, { candidate: { offer } }, round) => {
    const most = policy.maxProviderShare ?? 1
    const use = useOf(round, project.name)
    const there = use.nodesAt.get(offer.provider) ?? 0
    if (there < most * (use.nodes + ranks)) return null
    const has = `${offer.provider} has ${there} of the ${say.count(use.nodes, 'node')} of project ${project.name}`
    return { detail: `${has}, and may have ${say.share(most)} at the most`, passing: most > 0 }
  },

  capacity: (need, { candidate, size }, round) => {
    const { fleet, key } = candidate
    const full = fleet ? noRoom(need, fleet, size) : noneAvailable(need, candidate, round)
    if (full?.passing === false) return full
    const first = inFrontOf(round.line, need, key)
    return first === null ? full : notNow(`${first} came first and waits for it`)
  },
}

/**
 * What stands against a candidate, or null when it would do: the first rule that nothing but a change could satisfy,
 * else the first that time may cure. A site that does not answer and has no such node anyway lacks the node.
 */
export function objectionTo(need: Need, look: Look, round: Round): Objection | null {
  let curable: Objection | null = null
  for (const rule of rules) {
    const found = tests[rule](need, look, round)
    if (found?.passing === false) return { rule, ...found }
    if (found) curable ??= { rule, ...found }
  }
  return curable
}

const quotaUnits = {
  cpuMilli: { size: 1000, noun: 'CPU' },
  accelerators: { size: 1, noun: 'accelerator' },
  nodes: { size: 1, noun: 'node' },
}

function notAmong(has: readonly string[], allowed: readonly string[] | undefined, whose: string): Found {
  if (allowed === undefined || has.some((one) => allowed.includes(one))) return null
  return never(`it is ${has.join(', ')}; ${whose} allows only ${say.either(allowed)}`)
}

function tooLittle(asked: Amount, has: number, told: { divisible: boolean; say: (n: number) => string }): Found {
  if (asked.count > has) return never(`a node has ${told.say(has)}, asked for ${told.say(asked.count)}`)
  // A slice is cut to measure; a whole node is as large as it is.
  if (told.divisible || asked.atLeast || asked.count === has) return null
  return never(`a node has ${told.say(has)}, asked for exactly ${told.say(asked.count)}; add a + for at least`)
}

/** The loosest level of domain that a gang may be spread over: the one that its spec requires, or the site. */
export const loosestLevel = ({ spec }: Need, fleet: Fleet): number =>
  spec.topology?.required ? levelOf(fleet, spec.topology.within) : siteLevel(fleet)

function noRoom(need: Need, fleet: Fleet, size: Size): Found {
  const level = loosestLevel(need, fleet)
  const free = largestFree(fleet, size, level)
  if (free >= need.ranks) return null
  const needs = `needs ${say.nodes(need)}`
  const most = largestEmpty(fleet, size, siteLevel(fleet))
  if (most < need.ranks) return never(`${needs}; there ${are(most)} ${most} when all is free`)
  return level === siteLevel(fleet)
    ? notNow(`${needs}; ${free} ${are(free)} free`)
    : notNow(`${needs} in one ${need.spec.topology?.within}; the largest free is ${free}`)
}

function noneAvailable(need: Need, { key, offer }: Candidate, round: Round): Found {
  const most = offer.available ?? Number.POSITIVE_INFINITY
  const free = Math.max(0, most - (round.held.get(key) ?? 0))
  return free >= need.ranks ? null : notNow(`needs ${say.nodes(need)}; ${free} ${are(free)} to be had`)
}

const are = (n: number): string => (n === 1 ? 'is' : 'are')
