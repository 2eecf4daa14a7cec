import type { LeasedRank } from '#model/lease.ts'
import type { Offer } from '#model/offer.ts'
import type { Decision, Placement } from '#model/plan.ts'
import type { Project } from '#model/project.ts'
import type { Spec } from '#model/spec/spec.ts'
import { slotsOf } from '#model/workload.ts'

import { insideBlock } from './check-block.ts'
import { acceleratorsOf, amountOf, isKind, partsHold, suits } from './check-parts.ts'
import { deadlinesHold, isLate } from './check-deadline.ts'
import { mixHolds } from './check-mix.ts'
import { preemptsHold } from './check-preempting.ts'
import { quotasHold } from './check-quota.ts'
import { leasesAfter, repairsHold } from './check-repair.ts'
import { chosen, costs } from './check-run.ts'
import { apart, byName, type Nodes, standing, withSpares } from './check-topology.ts'
import { usageHolds } from './check-usage.ts'
import type { Asked, SiteFacts } from './facts.ts'
import type { PlaceInput } from './place.ts'

/** A decision that placed something, with all that it speaks of. */
type Placed = {
  decision: Decision
  asked: Asked
  placement: Placement
  project: Project
  site: SiteFacts
  /** Those of the site by name, where it tells them. */
  nodes: Nodes | null
  /** The placement's own; and of each rank its own, which may be another of the site. */
  offer: Offer
  offers: Offer[]
  /** It comes back to what was its own. */
  isBack: boolean
}

const amounts = ['cpuMilli', 'memoryMiB', 'diskMiB', 'accelerators'] as const

/**
 * What is wrong with a list of decisions, in words; an empty list when it keeps every promise of the engine. It shares
 * no code with the engine, so that it can judge any. It looks at each fact a few times, and at none for each of the others.
 */
export function check(given: PlaceInput, decisions: Decision[]): string[] {
  const there = leasesAfter(given.snapshot.leases, decisions)
  const leases = there.flatMap((lease) => Array.from({ length: lease.times ?? 1 }, () => lease))
  const input = { ...given, snapshot: { ...given.snapshot, leases } }
  const placed: Placed[] = []
  const wrong: string[] = []
  const resolve = resolverOf(input)
  for (const decision of decisions) {
    const found = resolve(decision)
    if (typeof found === 'string') wrong.push(found)
    else if (found) placed.push(found)
  }
  const keys = decisions.map(({ workload, replica }) => `${workload}/${replica}`)
  if (new Set(keys).size < keys.length) wrong.push('a replica is decided twice')
  const one = placed.flatMap((each) => {
    const { spec } = each.asked.workload
    return [
      ...whole(each),
      ...money(input, each),
      ...where(input, each),
      ...block(input, each),
      ...what(each),
      ...mixHolds({ ...each, roles: (spec.kind === 'job' && spec.roles) || [spec] }),
      ...bounds(each),
      ...run(input, each),
    ].map((text) => `${name(each)}: ${text}`)
  })
  return [
    ...wrong,
    ...one,
    ...nodesHold(input, placed),
    ...offersHold(input, placed),
    ...projectsHold(input, placed),
    ...preemptsHold(input, decisions),
    ...deadlinesHold(input, decisions),
    ...repairsHold(given, decisions),
    ...usageHolds(given, decisions),
  ]
}

const block = ({ now }: PlaceInput, { asked, offers }: Placed) =>
  [...new Set(offers)].flatMap((offer) => [...insideBlock(asked.workload.spec, offer, now)])

function* run({ snapshot, plan }: PlaceInput, placed: Placed): Iterable<string> {
  const { asked, placement, site, offer, offers, decision } = placed
  const { spec } = asked.workload
  yield* costs(snapshot, { spec, placement, site: site.info, offers: [offer, ...new Set(offers)] })
  const isWish =
    spec.topology?.required === false || [spec, ...(rolesOf(spec) ?? [])].some(({ resources }) => resources.ordered)
  // Wishes, deadlines, copies that are kept apart and a plan over all sites come before the price.
  if (!isWish && !plan && !decision.deadline && spec.placement.spread === 'none') yield* chosen(spec, decision)
}

const name = ({ asked }: Placed): string => `${asked.workload.id}/${asked.replica.replica}`

function resolverOf({ snapshot }: PlaceInput): (decision: Decision) => Placed | string | null {
  const waiting = new Map(snapshot.waiting.map((each) => [`${each.workload.id}/${each.replica.replica}`, each]))
  const projects = new Map(snapshot.projects.map((each) => [each.name, each]))
  const sites = new Map(
    snapshot.sites.map((each) => [each.site, { site: each, nodes: each.nodes && byName(each.nodes) }]),
  )
  return (decision) => {
    const { workload, replica, placement, refusal, repair } = decision
    const asked = waiting.get(`${workload}/${replica}`)
    if (!asked) return `${workload}/${replica} does not wait`
    if ((placement === null) === (refusal === null))
      return `${workload}/${replica} is neither placed nor refused, or both`
    if (!placement) return null
    const project = projects.get(asked.workload.project)
    const at = sites.get(`${placement.provider}/${placement.site}`)
    const offered = (shape: string) =>
      at?.site.offers.find((each) => each.tier === placement.tier && each.shape.name === shape)
    const offer = offered(placement.shape)
    const offers = placement.ranks.flatMap(({ shape = placement.shape }) => offered(shape) ?? [])
    if (!project || !at || !offer || offers.length < placement.ranks.length)
      return `${workload}/${replica} goes where nothing is offered, or has no project`
    return { decision, asked, placement, project, ...at, offer, offers, isBack: repair !== undefined }
  }
}

function* whole({ asked, placement }: Placed): Iterable<string> {
  if (placement.ranks.length !== asked.workload.spec.nodes) yield 'the gang is not whole'
  if (placement.ranks.some(({ rank }, index) => rank !== index)) yield 'ranks are not numbered from 0'
}

function* money({ snapshot, now }: PlaceInput, { asked, placement, project, offer, offers }: Placed): Iterable<string> {
  const { workload, replica } = asked
  const { spec } = workload
  const spent = (key: string) => snapshot.spent.get(key) ?? 0n
  if (workload.wants !== 'run' || replica.notBefore > now) yield 'it is not to be placed now'
  if (isLate({ snapshot, now }, workload, offer)) yield 'it misses its deadline'
  if (spec.budget && spent(`workload/${workload.id}`) >= BigInt(spec.budget.limitMicros)) yield 'its budget is used up'
  if (project.budgetMicros !== null && spent(`project/${project.name}`) >= BigInt(project.budgetMicros))
    yield 'the budget of the project is used up'
  const shares = offers.map((own, i) => own.priceMicros * dominantShare(placement.ranks[i], own))
  if (placement.priceMicros < Math.floor(total(shares))) yield 'it pays less than its share'
  if (placement.priceMicros > total(offers.map(({ priceMicros }) => priceMicros))) yield 'it pays more than whole nodes'
}

const total = (prices: readonly number[]): number => prices.reduce((all, one) => all + one, 0)

const dominantShare = (rank: LeasedRank | undefined, { shape, divisible }: Offer): number =>
  rank && divisible ? Math.max(...amounts.map((key) => (shape[key] > 0 ? held(rank, key) / shape[key] : 0))) : 1

/** What a rank holds of something, parts of accelerators too. */
const held = (rank: LeasedRank, key: (typeof amounts)[number]): number =>
  key === 'accelerators' ? amountOf(rank) : rank[key]

const bars = (allowed: readonly string[] | undefined, has: readonly string[]): boolean =>
  allowed !== undefined && !has.some((each) => allowed.includes(each))

function* where({ now, defaults }: PlaceInput, placed: Placed): Iterable<string> {
  const { asked, placement, project, site, nodes, offers, isBack } = placed
  const { spec } = asked.workload
  const policy = { ...defaults, ...project.policy }
  if (site.reach !== 'reachable') yield 'the site is not reachable'
  if ((asked.replica.avoid[site.site] ?? 0) > now) yield 'the site refused it lately'
  for (const allowed of [spec.placement.providers, policy.providers])
    if (bars(allowed, [placement.provider])) yield 'the provider is not allowed'
  for (const allowed of [spec.placement.sites, policy.sites])
    if (bars(allowed, [site.site])) yield 'the site is not allowed'
  if (bars(spec.placement.tiers, [placement.tier])) yield 'the tier is not allowed'
  const regions = [spec.placement.jurisdictions, policy.jurisdictions, ...spec.data.map((set) => set.jurisdictions)]
  for (const allowed of regions) if (bars(allowed, site.info.jurisdictions)) yield 'the jurisdiction is not allowed'
  if (spec.image !== undefined && offers.some(({ images }) => !images)) yield 'it runs no images'
  const most = Math.min(spec.placement.maxPriceMicros ?? Infinity, policy.maxPriceMicros ?? Infinity)
  if (placement.priceMicros > most * placement.ranks.length) yield 'a node costs too much'
  if (offers.some((own, i) => Math.floor(own.priceMicros * dominantShare(placement.ranks[i], own)) > most))
    yield 'one of its nodes costs too much'
  const { nodeLabels = {}, tolerations = [] } = spec.placement
  for (const [i, rank] of placement.ranks.entries()) {
    const node = nodes?.get(rank.node ?? '')
    if (Object.entries(nodeLabels).some(([key, value]) => node?.labels?.[key] !== value)) yield 'a node lacks a label'
    if (node?.taints?.some((taint) => !tolerations.includes(taint))) yield 'a node has a taint that is not tolerated'
    const { network = {} } = resourcesOf(spec, rank.rank)
    for (const kind of ['rdma', 'imex'] as const)
      if (network[kind] === 'required' && !(node ?? offers[i])?.shape.network?.includes(kind))
        yield `a node has no ${kind}`
  }
  yield* standing(spec, placement, { nodes, isBack })
}

/** What each rank does, in the order of ranks, where they do different things. */
const rolesOf = (spec: Spec) =>
  spec.kind === 'job' ? spec.roles?.flatMap((role) => Array.from({ length: role.nodes }, () => role)) : []

const resourcesOf = (spec: Spec, rank: number) => (rolesOf(spec)?.[rank] ?? spec).resources

function* what({ asked, placement, offers }: Placed): Iterable<string> {
  const { spec } = asked.workload
  const tasks = slotsOf(spec, asked.replica.replica)
  for (const [i, { shape, divisible }] of offers.entries()) {
    const rank = placement.ranks[i]
    if (!rank) continue
    const resources = resourcesOf(spec, rank.rank)
    if (amounts.some((key) => rank[key] > shape[key])) yield 'a rank holds more than a node has'
    if (amounts.every((key) => held(rank, key) === 0)) yield 'a rank holds nothing'
    for (const key of ['cpuMilli', 'memoryMiB', 'diskMiB'] as const) {
      const { count, atLeast } = resources[key]
      if (rank[key] < count * tasks) yield `a rank has too little ${key}`
      if (asked.workload.kind !== 'array' && !atLeast && rank[key] !== count) yield `a rank has not exactly that ${key}`
    }
    const { accelerators, sharedMemoryMiB = 0 } = resources
    if (sharedMemoryMiB * tasks > (shape.sharedMemoryMiB ?? 0)) yield 'a node has too little shared memory'
    const isGiven = accelerators.some((request) => isKind(request, shape) && suits(rank, request, tasks))
    if (accelerators.length > 0 && !isGiven) yield 'a rank lacks its accelerators'
    if (accelerators.length === 0 && rank.part) yield 'a rank holds a part of an accelerator that it did not ask for'
    if (rank.part && (rank.node === undefined || !divisible)) yield 'nobody knows which accelerator is shared'
  }
}

/** No node is given twice: what leases, others and placed ranks hold of it together is there. */
function* nodesHold({ snapshot }: PlaceInput, placed: Placed[]): Iterable<string> {
  for (const site of snapshot.sites) {
    const here = placed.filter((each) => each.site === site)
    const nodes = here[0]?.nodes
    if (!nodes) continue
    for (const { placement } of here)
      for (const rank of placement.ranks) {
        const node = nodes.get(rank.node ?? '')
        if (!node?.usable || node.shape.name !== (rank.shape ?? placement.shape))
          yield `${rank.node} is no usable node of that shape`
      }
    const leases = snapshot.leases.filter(
      (lease) => lease.provider === site.info.provider && lease.site === site.info.name,
    )
    yield* apart(nodes, [
      ...here.map((each) => ({ ...each.placement, name: name(each), isNew: true })),
      ...leases.map((lease) => ({ ...lease, name: lease.id, isNew: false })),
    ])
    const newOn = onNodes(here.flatMap(({ placement }) => withSpares(placement)))
    const oldOn = onNodes(leases.flatMap(withSpares))
    const wholeOn = onNodes(
      here.flatMap(({ offers, placement: { ranks } }) => ranks.filter((_, i) => !offers[i]?.divisible)),
    )
    for (const [at, news] of newOn) {
      const node = nodes.get(at)
      if (!node) continue
      const foreign: Omit<LeasedRank, 'rank'>[] = node.foreign ? [node.foreign] : []
      const all = [...news, ...(oldOn.get(at) ?? []), ...foreign]
      const used = (key: (typeof amounts)[number]) =>
        key === 'accelerators' ? acceleratorsOf(all) : all.reduce((sum, each) => sum + each[key], 0)
      const over = amounts.filter((key) => used(key) > node.shape[key])
      if (over.some((key) => news.some((each) => held(each, key) > 0)))
        yield `${node.name} is overcommitted: ${over.join(', ')}`
      if (news.some(({ part }) => part)) yield* partsHold(node, all)
      const users = all.filter((each) => amounts.some((key) => each[key] > 0)).length
      if (wholeOn.has(at) && users > 1) yield `${node.name} is given whole and to others too`
    }
  }
}

const onNodes = (ranks: readonly LeasedRank[]) => Map.groupBy(ranks, ({ node }) => node ?? '')

/** What the site itself allows one order. */
function* bounds({ offers, placement: { ranks }, isBack }: Placed): Iterable<string> {
  for (const { of, most } of isBack ? [] : [...new Set(offers)].flatMap((offer) => offer.bounds ?? [])) {
    const has = ranks.reduce((sum, rank) => sum + (of === 'nodes' ? 1 : held(rank, of)), 0)
    if (has > most) yield `has ${has} of ${of} where its site allows ${most}`
  }
}

function* offersHold({ snapshot }: PlaceInput, placed: Placed[]): Iterable<string> {
  for (const { offers, nodes, info } of snapshot.sites) {
    for (const offer of nodes ? [] : offers) {
      const news = placed.filter((each) => each.offer === offer).flatMap(({ placement }) => placement.ranks)
      if (news.length === 0) continue
      const olds = snapshot.leases.filter(
        (lease) =>
          lease.provider === info.provider &&
          lease.site === info.name &&
          lease.tier === offer.tier &&
          (lease.shape ?? offer.shape.name) === offer.shape.name,
      )
      const count = news.length + olds.reduce((sum, { ranks }) => sum + ranks.length, 0)
      if (count > (offer.available ?? Infinity)) yield `${offer.shape.name} is given too often`
    }
  }
}

const countOf = (holds: readonly { ranks: LeasedRank[] }[]): number =>
  holds.reduce((sum, { ranks }) => sum + ranks.length, 0)

/** Quotas hold at the end, and so do shares of providers, which the last gang at each found below when it came. */
function* projectsHold({ snapshot, defaults }: PlaceInput, placed: Placed[]): Iterable<string> {
  const siteOf = new Map(snapshot.sites.map((each) => [each.site, each]))
  const holdings = [
    ...snapshot.leases.map(({ project, provider, site, ranks, beside = null }) => ({
      project,
      ranks,
      beside,
      isNew: false,
      site: siteOf.get(`${provider}/${site}`),
    })),
    ...placed.map(({ project, site, placement, isBack }) => ({
      ...placement,
      project: project.name,
      site,
      isNew: !isBack,
    })),
  ]
  yield* quotasHold(snapshot.projects, holdings)
  for (const [project, mine] of Map.groupBy(placed, (each) => each.project)) {
    const share = project.policy.maxProviderShare ?? defaults?.maxProviderShare ?? 1
    if (share >= 1) continue
    const old = snapshot.leases.filter((lease) => lease.project === project.name)
    const has = [...old, ...mine.map(({ placement }) => placement)]
    const all = countOf(has)
    const news = mine.flatMap(({ placement, isBack }) => (isBack ? [] : [placement]))
    for (const [provider, there] of Map.groupBy(news, (each) => each.provider)) {
      // Nobody tells which of them came last. Of all that may have, the largest leaves the most room to those before it.
      const last = Math.max(...there.map(({ ranks }) => ranks.length))
      if (countOf(has.filter((each) => each.provider === provider)) - last >= share * all)
        yield `${provider} is above its share`
    }
  }
}
