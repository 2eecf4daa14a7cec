import type { LeasedRank } from '#model/lease.ts'
import type { Offer } from '#model/offer.ts'
import type { Decision, Placement } from '#model/plan.ts'
import type { Project } from '#model/project.ts'
import type { AcceleratorRequest, Shape } from '#model/resources.ts'
import type { Spec } from '#model/spec/spec.ts'
import { slotsOf } from '#model/workload.ts'

import { insideBlock } from './check-block.ts'
import { acceleratorsOf, amountOf, partsHold, suits } from './check-parts.ts'
import { preemptsHold } from './check-preempting.ts'
import { quotasHold } from './check-quota.ts'
import { leasesAfter, repairsHold } from './check-repair.ts'
import { apart, standing, withSpares } from './check-topology.ts'
import type { Asked, SiteFacts } from './facts.ts'
import type { PlaceInput } from './place.ts'

/** A decision that placed something, with all that it speaks of. */
type Placed = {
  asked: Asked
  placement: Placement
  project: Project
  site: SiteFacts
  offer: Offer
  /** It comes back to what was its own. */
  isBack: boolean
}

const amounts = ['cpuMilli', 'memoryMiB', 'diskMiB', 'accelerators'] as const

/**
 * What is wrong with a list of decisions, in words; an empty list when it keeps every promise of the engine. It shares
 * no code with the engine and takes its time, so that it can judge any engine.
 */
export function check(given: PlaceInput, decisions: Decision[]): string[] {
  const there = leasesAfter(given.snapshot.leases, decisions)
  const leases = there.flatMap((lease) => Array.from({ length: lease.times ?? 1 }, () => lease))
  const input = { ...given, snapshot: { ...given.snapshot, leases } }
  const placed: Placed[] = []
  const wrong: string[] = []
  for (const decision of decisions) {
    const found = resolve(input, decision)
    if (typeof found === 'string') wrong.push(found)
    else if (found) placed.push(found)
  }
  const keys = decisions.map(({ workload, replica }) => `${workload}/${replica}`)
  if (new Set(keys).size < keys.length) wrong.push('a replica is decided twice')
  const one = placed.flatMap((each) =>
    [
      ...whole(each),
      ...money(input, each),
      ...where(input, each),
      ...block(input, each),
      ...what(each),
      ...bounds(each),
    ].map((text) => `${name(each)}: ${text}`),
  )
  return [
    ...wrong,
    ...one,
    ...nodesHold(input, placed),
    ...offersHold(input, placed),
    ...projectsHold(input, placed),
    ...preemptsHold(input, decisions),
    ...repairsHold(given, decisions),
  ]
}

const block = ({ now }: PlaceInput, { asked, offer }: Placed) => insideBlock(asked.workload.spec, offer, now)

const name = ({ asked }: Placed): string => `${asked.workload.id}/${asked.replica.replica}`

function resolve({ snapshot }: PlaceInput, decision: Decision): Placed | string | null {
  const { workload, replica, placement, refusal } = decision
  const asked = snapshot.waiting.find((each) => each.workload.id === workload && each.replica.replica === replica)
  if (!asked) return `${workload}/${replica} does not wait`
  if ((placement === null) === (refusal === null))
    return `${workload}/${replica} is neither placed nor refused, or both`
  if (!placement) return null
  const project = snapshot.projects.find((each) => each.name === asked.workload.project)
  const site = snapshot.sites.find((each) => each.site === `${placement.provider}/${placement.site}`)
  const offer = site?.offers.find((each) => each.tier === placement.tier && each.shape.name === placement.shape)
  if (!project || !site || !offer) return `${workload}/${replica} goes where nothing is offered, or has no project`
  return { asked, placement, project, site, offer, isBack: decision.repair !== undefined }
}

function* whole({ asked, placement }: Placed): Iterable<string> {
  if (placement.ranks.length !== asked.workload.spec.nodes) yield 'the gang is not whole'
  if (placement.ranks.some(({ rank }, index) => rank !== index)) yield 'ranks are not numbered from 0'
}

function* money({ snapshot, now }: PlaceInput, { asked, placement, project, offer }: Placed): Iterable<string> {
  const { workload, replica } = asked
  const { spec } = workload
  const spent = (key: string) => snapshot.spent.get(key) ?? 0n
  if (workload.wants !== 'run' || replica.notBefore > now) yield 'it is not to be placed now'
  const named = Object.entries(spec.throughput)
  const model = offer.shape.accelerator?.toLowerCase()
  const speed = named.find(([each]) => each.toLowerCase() === model)?.[1] ?? 1
  if (spec.deadline !== undefined && now + (spec.duration.expectedMs ?? 0) / speed > spec.deadline)
    yield 'it misses its deadline'
  if (spec.budget && spent(`workload/${workload.id}`) >= BigInt(spec.budget.limitMicros)) yield 'its budget is used up'
  if (project.budgetMicros !== null && spent(`project/${project.name}`) >= BigInt(project.budgetMicros))
    yield 'the budget of the project is used up'
  const least = placement.ranks.reduce((sum, rank) => sum + offer.priceMicros * dominantShare(rank, offer), 0)
  if (placement.priceMicros < Math.floor(least)) yield 'it pays less than its share'
  if (placement.priceMicros > offer.priceMicros * placement.ranks.length) yield 'it pays more than whole nodes'
}

const dominantShare = (rank: LeasedRank, { shape, divisible }: Offer): number =>
  divisible ? Math.max(...amounts.map((key) => (shape[key] > 0 ? held(rank, key) / shape[key] : 0))) : 1

/** What a rank holds of something, parts of accelerators too. */
const held = (rank: LeasedRank, key: (typeof amounts)[number]): number =>
  key === 'accelerators' ? amountOf(rank) : rank[key]

const bars = (allowed: readonly string[] | undefined, has: readonly string[]): boolean =>
  allowed !== undefined && !has.some((each) => allowed.includes(each))

function* where({ now, defaults }: PlaceInput, placed: Placed): Iterable<string> {
  const { asked, placement, project, site, offer, isBack } = placed
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
  if (spec.image !== undefined && !offer.images) yield 'it runs no images'
  const most = Math.min(spec.placement.maxPriceMicros ?? Infinity, policy.maxPriceMicros ?? Infinity)
  if (placement.priceMicros > most * placement.ranks.length) yield 'a node costs too much'
  const { nodeLabels = {}, tolerations = [] } = spec.placement
  for (const rank of placement.ranks) {
    const node = site.nodes?.find((each) => each.name === rank.node)
    if (Object.entries(nodeLabels).some(([key, value]) => node?.labels?.[key] !== value)) yield 'a node lacks a label'
    if (node?.taints?.some((taint) => !tolerations.includes(taint))) yield 'a node has a taint that is not tolerated'
    const { network = {} } = rolesOf(spec)?.[rank.rank]?.resources ?? spec.resources
    for (const kind of ['rdma', 'imex'] as const)
      if (network[kind] === 'required' && !(node ?? offer).shape.network?.includes(kind)) yield `a node has no ${kind}`
  }
  yield* standing(spec, placement, { nodes: site.nodes, isBack })
}

/** What each rank does, in the order of ranks, where they do different things. */
const rolesOf = (spec: Spec) =>
  spec.kind === 'job' ? spec.roles?.flatMap((role) => Array.from({ length: role.nodes }, () => role)) : []

function* what({ asked, placement, offer }: Placed): Iterable<string> {
  const { spec } = asked.workload
  const tasks = slotsOf(spec, asked.replica.replica)
  const { shape } = offer
  const roles = rolesOf(spec)
  for (const rank of placement.ranks) {
    const { resources } = roles?.[rank.rank] ?? spec
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
    if (rank.part && (rank.node === undefined || !offer.divisible)) yield 'nobody knows which accelerator is shared'
  }
}

function isKind({ model, memoryMiB }: AcceleratorRequest, shape: Shape): boolean {
  if (model !== undefined) return shape.accelerator?.toLowerCase() === model.toLowerCase()
  const share = memoryMiB ? shape.acceleratorMemoryMiB / memoryMiB.count : 0
  return share >= 0.93 && (memoryMiB?.atLeast === true || share <= 1)
}

/** No node is given twice: what leases, others and placed ranks hold of it together is there. */
function* nodesHold({ snapshot }: PlaceInput, placed: Placed[]): Iterable<string> {
  for (const site of snapshot.sites) {
    const here = placed.filter((each) => each.site === site)
    for (const { placement } of site.nodes ? here : [])
      for (const rank of placement.ranks) {
        const node = site.nodes?.find((each) => each.name === rank.node)
        if (!node?.usable || node.shape.name !== placement.shape) yield `${rank.node} is no usable node of that shape`
      }
    const leases = snapshot.leases.filter((lease) => `${lease.provider}/${lease.site}` === site.site)
    yield* apart(site, [
      ...here.map((each) => ({ ...each.placement, name: name(each), isNew: true })),
      ...leases.map(({ id, ...lease }, i) => ({ ...lease, name: `${id} ${i}`, isNew: false })),
    ])
    for (const node of site.nodes ?? []) {
      const on = (ranks: LeasedRank[]) => ranks.filter((rank) => rank.node === node.name)
      const news = here.flatMap(({ placement }) => on(withSpares(placement)))
      const olds: Omit<LeasedRank, 'rank'>[] = [
        ...leases.flatMap((lease) => on(withSpares(lease))),
        ...(node.foreign ? [node.foreign] : []),
      ]
      const all = [...news, ...olds]
      const used = (key: (typeof amounts)[number]) =>
        key === 'accelerators' ? acceleratorsOf(all) : all.reduce((sum, each) => sum + each[key], 0)
      const over = amounts.filter((key) => used(key) > node.shape[key])
      if (over.some((key) => news.some((each) => held(each, key) > 0)))
        yield `${node.name} is overcommitted: ${over.join(', ')}`
      if (news.some(({ part }) => part)) yield* partsHold(node, all)
      const alone = here.some(({ offer, placement }) => !offer.divisible && on(placement.ranks).length > 0)
      const users = all.filter((each) => amounts.some((key) => each[key] > 0)).length
      if (alone && users > 1) yield `${node.name} is given whole and to others too`
    }
  }
}

/** What the site itself allows one order. */
function* bounds({ offer, placement: { ranks }, isBack }: Placed): Iterable<string> {
  for (const { of, most } of isBack ? [] : (offer.bounds ?? [])) {
    const has = ranks.reduce((sum, rank) => sum + (of === 'nodes' ? 1 : held(rank, of)), 0)
    if (has > most) yield `has ${has} of ${of} where its site allows ${most}`
  }
}

function* offersHold({ snapshot }: PlaceInput, placed: Placed[]): Iterable<string> {
  for (const { offers, nodes, info } of snapshot.sites) {
    for (const offer of nodes ? [] : offers) {
      const news = placed.filter((each) => each.offer === offer).flatMap(({ placement }) => placement.ranks)
      const olds = snapshot.leases.filter(
        (lease) =>
          lease.provider === info.provider &&
          lease.site === info.name &&
          lease.tier === offer.tier &&
          (lease.shape ?? offer.shape.name) === offer.shape.name,
      )
      const count = news.length + olds.reduce((sum, { ranks }) => sum + ranks.length, 0)
      if (news.length > 0 && count > (offer.available ?? Infinity)) yield `${offer.shape.name} is given too often`
    }
  }
}

const siteAt = ({ sites }: PlaceInput['snapshot'], { provider, site }: { provider: string; site: string }) =>
  sites.find((each) => each.site === `${provider}/${site}`)

/** Quotas hold at the end, and each gang found its provider below its share when it came. */
function* projectsHold({ snapshot, defaults }: PlaceInput, placed: Placed[]): Iterable<string> {
  const holdings = [
    ...snapshot.leases.map((lease) => ({ ...lease, isNew: false, site: siteAt(snapshot, lease) })),
    ...placed.map(({ project, site, placement, isBack }) => ({
      ...placement,
      project: project.name,
      site,
      isNew: !isBack,
    })),
  ]
  yield* quotasHold(snapshot.projects, holdings)
  for (const project of snapshot.projects) {
    const share = project.policy.maxProviderShare ?? defaults?.maxProviderShare ?? 1
    const mineAndOld = snapshot.leases
      .filter((lease) => lease.project === project.name)
      .flatMap(({ provider, ranks }) => ranks.map((rank) => ({ ...rank, provider })))
    const mine = placed.filter((each) => each.project === project)
    for (const { placement, isBack } of mine) {
      const there = mineAndOld.filter(({ provider }) => provider === placement.provider).length
      if (!isBack && there >= share * (mineAndOld.length + placement.ranks.length))
        yield `${placement.provider} is above its share`
      mineAndOld.push(...placement.ranks.map((rank) => ({ ...rank, provider: placement.provider })))
    }
  }
}
