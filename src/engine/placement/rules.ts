import { objectionToBlock } from '#engine/market/block.ts'
import { rules, type Rule } from '#model/plan.ts'
import { formatDuration } from '#kit/duration.ts'
import { formatInstant } from '#kit/instant.ts'
import { formatSizeMiB } from '#kit/size.ts'
import type { Bound } from '#model/offer.ts'
import { isPart, type Amount, requiredNetworks, type Shape } from '#model/resources.ts'
import { expectedMsOn } from '#model/spec/throughput.ts'

import { ranMsOf } from './bars.ts'
import { amountsOf, holdingsOf, isSomething, offersOf, type Look } from './look.ts'
import { rolesAt, suits } from './gang.ts'
import { levelOf } from './market.ts'
import type { Need } from './need.ts'
import { quotaLack } from './quotas.ts'
import { askAt, roomNow, roomWhenEmpty } from './room.ts'
import { isWithinShare, promisedBefore, useOf, type Round } from './round.ts'
import { isOfKind } from './slice.ts'
import * as say from './words.ts'

/**
 * What a rule has against a candidate. `passing`: time may cure it; else only other offers, rules or wishes can. `grows`: more
 * nodes would cure it and nothing else stands against it, and its pools may bring as many.
 */
export type Objection = { rule: Rule; detail: string; passing: boolean; grows?: true }

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

  'site-not-allowed': ({ spec, policy, project }, { candidate: { siteKey } }) =>
    notAmong([siteKey], spec.placement.sites, 'the spec') ??
    notAmong([siteKey], policy.sites, `project ${project.name}`),

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

  accelerator: (need, { candidate: { offer, ground }, choice }) => {
    if (choice !== -1) return null
    const { shape } = offer
    const suitable = need.roles.flatMap(({ resources }) => resources.accelerators.filter((one) => isOfKind(one, shape)))
    const ofKind = suitable.length > 0
    if (ofKind && suitable.every(isPart)) {
      const asked = `asked for ${say.anyAccelerators(need)}`
      if (!offer.divisible) return never(`its nodes are had whole, ${asked}`)
      if (!ground.names)
        return never(`it does not tell its nodes, so nobody could say which accelerator is shared; ${asked}`)
      return never(`its ${shape.accelerator} cannot be had in such slices, ${asked}`)
    }
    const has = shape.accelerators === 0 ? 'no accelerator' : `${shape.accelerators} ${shape.accelerator ?? 'unnamed'}`
    const each = shape.accelerators === 0 || ofKind ? '' : ` (${formatSizeMiB(shape.acceleratorMemoryMiB)} each)`
    return never(`a node has ${has}${each}, asked for ${say.anyAccelerators(need)}`)
  },

  cpus: (need, look) => {
    const { offer } = look.candidate
    if (!isSomething(look)) return never('a node has nothing that could be divided')
    return tooLittle(need, look, { of: 'cpuMilli', has: offer.shape.cpuMilli, say: (n) => say.count(n / 1000, 'CPU') })
  },

  memory: (need, look) =>
    tooLittle(need, look, {
      of: 'memoryMiB',
      has: look.candidate.offer.shape.memoryMiB,
      say: (n) => `${formatSizeMiB(n)} of memory`,
    }) ?? lacksShared(need, look.candidate.offer.shape),

  disk: (need, look) =>
    tooLittle(need, look, {
      of: 'diskMiB',
      has: look.candidate.offer.shape.diskMiB,
      say: (n) => `${formatSizeMiB(n)} of disk`,
    }),

  network: (need, look) => {
    const { offer, ground } = look.candidate
    const asked = [...new Set(need.roles.flatMap(({ resources }) => requiredNetworks(resources)))]
    const lacking = asked.filter((one) => !offer.shape.network?.includes(one))
    if (lacking.length > 0)
      return never(`it tells of no ${say.either(lacking)} at its nodes, asked for ${say.all(asked)}`)
    const isShared = asked.includes('imex') && offer.divisible && ground.names !== null
    return isShared && rolesAt(need, look).length > 1
      ? never('a rank with imex has a node to itself, and beside other roles only where nodes are had whole')
      : null
  },

  node: (need, { candidate: { site, offer, ground } }) => {
    const { nodeLabels } = need.spec.placement
    if (!site.nodes) return nodeLabels ? never('it does not tell the labels of its nodes') : null
    // Nodes that are alike are one class of the cell.
    const nodes = ground.cell.classes.filter(({ shape }) => shape === offer.shape.name)
    if (nodes.length === 0 || nodes.some((node) => suits(need, node))) return null
    const labelled = nodes.filter((node) => suits(need, { labels: node.labels }))
    if (labelled.length === 0) return never(`no node has ${say.labels(nodeLabels ?? {})}`)
    const taints = new Set(labelled.flatMap((node) => node.taints ?? []))
    return never(
      `all its nodes have taints: ${[...taints].sort().slice(0, 5).join(', ')}; the spec tolerates ${say.either(need.spec.placement.tolerations ?? [])}`,
    )
  },

  topology: (need, look) => {
    const { topology } = need.spec
    const { ground } = look.candidate
    const asked = topology && say.together(topology, need.ranks)
    if (!topology || !asked) return null
    if (!ground.names) return never(`it does not tell how its nodes are connected, asked for ${asked}`)
    if (topology.spares && levelOf(ground, topology.spares.within) === 0)
      return never(`it does not tell its domains of ${topology.spares.within}, asked for ${asked}`)
    const room = askAt(need, look)
    const most = roomWhenEmpty(room, room.loosest)
    if (most >= need.ranks) return null
    const needs = needsOf(need, look)
    return topology.required && topology.within !== 'site'
      ? never(`${needs} in one ${topology.within}; the largest holds ${most} when all is free`)
      : never(`${needs}; there ${are(most)} ${most} when all is free`)
  },

  deadline: ({ spec, workload }, { candidate: { offer } }, { now, spot }) => {
    const lastsMs = Math.max(0, (expectedMsOn(spec, offer.shape.accelerator) ?? 0) - ranMsOf(workload, spot))
    return spec.deadline !== undefined && now + lastsMs > spec.deadline
      ? never(`on ${offer.shape.accelerator ?? 'it'} it would run for ${formatDuration(lastsMs)}, beyond its deadline`)
      : null
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

  'site-limit': (need, look) => {
    const amounts = amountsOf(need, look)
    for (const { of, most, by } of offersOf(look).flatMap(({ bounds = [] }) => bounds)) {
      const { size, unit } = bounded[of]
      const asked = amounts[of] ?? 0
      if (asked > most * size) return never(`needs ${unit(asked / size)}; ${by} allows ${unit(most)} there`)
    }
    return null
  },

  quota: (need, look, round) => {
    const lack = quotaLack(need, look, round)
    if (!lack) return null
    return lack.isForGood ? never(lack.detail) : notNow(lack.detail)
  },

  'provider-share': (need, look, round) => {
    if (isWithinShare(need, look, round)) return null
    const { policy, project } = need
    const { provider } = look.candidate.offer
    const [most, use] = [policy.maxProviderShare ?? 1, useOf(round, project.name)]
    const there = use.nodesAt.get(provider) ?? 0
    const has = `${provider} has ${there} of the ${say.count(use.nodes, 'node')} of project ${project.name}`
    return { detail: `${has}, and may have ${say.share(most)} at the most`, passing: most > 0 }
  },

  capacity: (need, look, round) => {
    const { ground } = look.candidate
    const tooLarge = ground.names && largerThan(need, look)
    if (tooLarge) return never(tooLarge)
    const first = promisedBefore(need, look, round)
    if (first !== null) return notNow(`${first} came first and waits for it`)
    return ground.names ? noRoom(need, look) : noneAvailable(need, look)
  },

  'spot-plan': ({ key }, look, { planned }) => {
    const plan = planned.get(key)
    const choice = plan?.choice()
    if (!choice || !plan?.isAgainst(look)) return null
    return notNow(
      `${choice.does === 'wait' ? 'it waits for spot capacity' : 'spot capacity goes first'}: ${say.deadline(choice)}`,
    )
  },
}

/** What a site may bound: how much of it in the amounts of a gang is one in the bound, and what people call that. */
const bounded: Record<Bound['of'], { size: number; unit: (n: number) => string }> = {
  nodes: { size: 1, unit: (n) => say.count(n, 'node') },
  accelerators: { size: 1000, unit: (n) => say.count(n, 'accelerator') },
  cpuMilli: { size: 1, unit: (n) => say.count(n / 1000, 'CPU') },
  memoryMiB: { size: 1, unit: (n) => `${formatSizeMiB(n)} of memory` },
}

/** Rules of a node: a gang that stands on several offers is asked role by role. */
const ofOneNode: ReadonlySet<Rule> = new Set([
  'image',
  'accelerator',
  'cpus',
  'memory',
  'disk',
  'network',
  'node',
  'capacity-block',
])

function ask(rule: Rule, ...given: [need: Need, look: Look, round: Round]): Found {
  const [, { mix }, round] = given
  if (!mix || !ofOneNode.has(rule)) return tests[rule](...given)
  for (const { need, look } of mix) {
    const found = tests[rule](need, look, round)
    if (found) return found
  }
  return null
}

/** Rules whose answer may change while a round lasts, because others are placed. They are the last. */
const moving: ReadonlySet<Rule> = new Set(['quota', 'provider-share', 'capacity', 'spot-plan'])
const fixed = rules.filter((rule) => !moving.has(rule))

/** What stands against a candidate whatever happens in this round: of the rules that do not change while it lasts. */
export const fixedObjection = (need: Need, look: Look, round: Round): Objection | null =>
  against(fixed, [need, look, round])

/** What no end of others could cure, of the rules that may change in a round. */
export function isBeyond(need: Need, look: Look, round: Round): Objection | null {
  const found = against([...moving], [need, look, round])
  return found?.passing === false ? found : null
}

/**
 * What stands against a candidate, or null when it would do: the first rule that nothing but a change could satisfy,
 * else the first that time may cure. A site that does not answer and has no such node anyway lacks the node. `known` is
 * what the fixed rules say.
 */
export function objectionTo(
  known: Objection | null,
  ...given: [need: Need, look: Look, round: Round]
): Objection | null {
  if (known?.passing === false) return known
  // Where nothing of a kind is, its room cannot be counted.
  const found = against([...moving], given)
  return found?.passing === false ? found : (known ?? found)
}

/** Whether no other fixed rule stands against a candidate. */
export const isBarredOnlyBy = (rule: Rule, need: Need, { look, round }: { look: Look; round: Round }): boolean =>
  fixed.every((other) => other === rule || ask(other, need, look, round) === null)

/** The rules that more nodes may satisfy. */
export const ofNodes: ReadonlySet<Rule> = new Set(['topology', 'capacity'])

/** Whether nothing stands against a candidate but how many nodes there are, and who holds them. */
export const lacksNodesOnly = (need: Need, look: Look, round: Round): boolean =>
  rules.every((rule) => ofNodes.has(rule) || ask(rule, need, look, round) === null)

/** Whether it has room now. */
export const hasRoom = (need: Need, look: Look, round: Round): boolean => tests.capacity(need, look, round) === null

/** What some of the rules say: the first that only a change could satisfy, else the first that time may cure, or null. */
export const objectionBy = (
  asked: readonly Rule[],
  ...given: [need: Need, look: Look, round: Round]
): Objection | null => against(asked, given)

function against(asked: readonly Rule[], given: [need: Need, look: Look, round: Round]): Objection | null {
  let curable: Objection | null = null
  for (const rule of asked) {
    const found = ask(rule, ...given)
    if (found?.passing === false) return { rule, ...found }
    if (found) curable ??= { rule, ...found }
  }
  return curable
}

function notAmong(has: readonly string[], allowed: readonly string[] | undefined, whose: string): Found {
  if (allowed === undefined || has.some((one) => allowed.includes(one))) return null
  return never(`it is ${has.join(', ')}; ${whose} allows only ${say.either(allowed)}`)
}

type Told = { of: 'cpuMilli' | 'memoryMiB' | 'diskMiB'; has: number; say: (n: number) => string }

function tooLittle({ roles }: Need, { candidate: { offer } }: Look, told: Told): Found {
  for (const { resources } of roles) {
    const found = lacks(resources[told.of], offer.divisible, told)
    if (found) return found
  }
  return null
}

function lacks(asked: Amount, isDivisible: boolean, told: Told): Found {
  if (asked.count > told.has) return never(`a node has ${told.say(told.has)}, asked for ${told.say(asked.count)}`)
  // A slice is cut to measure; a whole node is as large as it is.
  if (isDivisible || asked.atLeast || asked.count === told.has) return null
  return never(`a node has ${told.say(told.has)}, asked for exactly ${told.say(asked.count)}; add a + for at least`)
}

function lacksShared({ roles }: Need, { sharedMemoryMiB: has }: Shape): Found {
  const asked = Math.max(0, ...roles.map(({ resources }) => resources.sharedMemoryMiB ?? 0))
  if (asked <= (has ?? 0)) return null
  const there = has === undefined ? 'it does not tell how much a node has' : `a node has ${formatSizeMiB(has)}`
  return never(`${there} of shared memory, asked for ${formatSizeMiB(asked)}`)
}

/** `needs 5 nodes with 8 H200`; of several offers also `(1 of 16cpu, 4 of 8xh200)`. */
function needsOf(need: Need, look: Look): string {
  const each = holdingsOf(need, look).map(({ candidate, ranks }) => `${ranks} of ${candidate.offer.shape.name}`)
  return `needs ${say.nodes(need)}${look.mix ? ` (${each.join(', ')})` : ''}`
}

/** That the site could not hold it when all were free, if so. */
function largerThan(need: Need, look: Look): string | null {
  const room = askAt(need, look)
  const most = roomWhenEmpty(room, room.cell.tree.levels - 1)
  return most >= need.ranks ? null : `${needsOf(need, look)}; there ${are(most)} ${most} when all is free`
}

function noRoom(need: Need, look: Look): Found {
  const room = askAt(need, look)
  const free = roomNow(room, room.loosest)
  if (free >= need.ranks) return null
  const needs = needsOf(need, look)
  return room.loosest === room.cell.tree.levels - 1
    ? notNow(`${needs}; ${free} ${are(free)} free`)
    : notNow(`${needs} in one ${need.spec.topology?.within}; the largest free is ${free}`)
}

function noneAvailable(need: Need, look: Look): Found {
  const room = askAt(need, look)
  const free = roomNow(room, room.loosest)
  return free >= need.ranks ? null : notNow(`needs ${say.nodes(need)}; ${free} ${are(free)} to be had`)
}

const are = (n: number): string => (n === 1 ? 'is' : 'are')
