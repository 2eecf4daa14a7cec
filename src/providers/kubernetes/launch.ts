import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Taken } from '#providers/provider.ts'
import { agentFiles } from '#providers/agent-files.ts'
import { agentEntry } from './agent-in-pod.ts'
import type { Answer, Asking, Client } from './client.ts'
import { computeDomainOf, domainsPath, templateOf, templatesPath } from './claims.ts'
import {
  extrasIn,
  type GangSite,
  holding,
  jobsOf,
  keeperSecretOf,
  ownedBy,
  secretOf,
  serviceOf,
  takesTasks,
} from './gang.ts'
import { groupsOf, type Programmed } from './groups.ts'
import { isKept, keeperEntry } from './keeper-in-pod.ts'
import { holderOf, mostSizes, podsOf, sizesOf, wantsGroup, whyNoGroup } from './kueue-group.ts'
import { findQueue, type Queue, queueLabel } from './kueue.ts'
import { mayGroup, podGroupOf, podGroupsPath } from './pod-groups.ts'
import { isToken, labels, objectName, paths, wholeAnnotation } from './names.ts'
import { Job } from './wire.ts'

/**
 * Makes the objects of a gang: its Jobs, suspended, then what belongs to them, and only then they are let go, the first as
 * the last. Whoever dies on the way leaves something that is found by its name; the next call with the same token goes on.
 */
export async function launchGang(
  { client, site }: { client: Client; site: GangSite },
  order: CredentialedOrder,
  signal: AbortSignal,
): Promise<Outcome<Taken>> {
  const checked = checkOrder(order, site)
  if (!checked.ok) return checked
  const { image, programmed } = checked.value
  if (site.queue) {
    const found = await findQueue({ client, namespace: site.namespace, queue: site.queue }, signal)
    if (!found.ok) return found
  }
  const { namespace } = site
  // Kueue has its own way of starting gangs whole.
  const grouped =
    order.ranks.length > 1 && !site.queue ? await mayGroup({ client, namespace, order }, signal) : succeed(false)
  if (!grouped.ok) return grouped
  const isGrouped = grouped.value
  const queued = await queuedAsPods({ client, site }, checked.value, signal)
  if (!queued.ok) return queued
  const asPods = queued.value
  const ask = (asking: Omit<Asking, 'signal'>) => client.ask({ ...asking, signal })
  const jobs: Job[] = []
  const bodies = asPods ? holderOf(site, programmed, image) : jobsOf({ ...site, groups: isGrouped }, programmed, image)
  // A large gang has many: the others are asked for once the first was not refused.
  for (const some of [bodies.slice(0, 1), bodies.slice(1)]) {
    const made = await together(some, (body) => makeJob(ask, { site, order, body }))
    if (!made.ok) return made
    jobs.push(...made.value)
  }
  // Kueue takes what we let go into its line, and holds nothing for it yet.
  const handle: Taken = { site: order.site, token: order.token, ...(site.queue && { inLine: true }) }
  const [first] = jobs
  if (!first || isReleased(first)) return succeed(handle)
  for (const [path, body] of await partsOf(programmed, { site, isGrouped, owner: first.metadata })) {
    const answer = await make(ask, path, body)
    if (!answer.ok && answer.refusal?.reason !== 'AlreadyExists') return { ok: false, fault: answer.fault }
  }
  if (asPods) {
    const made = await makePods(ask, site, podsOf(site, programmed, { queue: asPods, owner: first.metadata, image }))
    if (!made.ok) return made
  }
  const as = releaseOf(site, asPods !== null)
  for (const some of [jobs.slice(1), [first]]) {
    const released = await together(some, (job) => (isReleased(job) ? succeed(null) : release(ask, site, { job, as })))
    if (!released.ok) return released
  }
  return succeed(handle)
}

type Parts = { site: GangSite; isGrouped: boolean; owner: Job['metadata'] }

/** What belongs to a gang beside its Jobs and pods, and where it is made. */
async function partsOf(programmed: Programmed, { site, isGrouped, owner }: Parts) {
  const { namespace } = site
  const agent = programmed.programs.some(takesTasks) ? await agentFiles(agentEntry) : null
  const keeper = isKept(programmed)
    ? keeperSecretOf(site, programmed, { owner, agent: await agentFiles(keeperEntry) })
    : null
  const owned = ownedBy(owner, site, programmed)
  return [
    [paths.secrets(namespace), secretOf(site, programmed, { owner, agent })],
    ...(keeper ? [[paths.secrets(namespace), keeper] as const] : []),
    [paths.services(namespace), serviceOf(site, programmed, owner)],
    ...(isGrouped ? [[podGroupsPath(namespace), podGroupOf(programmed, holding(owned))] as const] : []),
    ...claimedBy(programmed, site, owned),
  ] as const
}

/** The queue in which its pods stand as a group; null where Jobs do, or nothing stands in a queue. */
async function queuedAsPods(
  { client, site }: { client: Client; site: GangSite },
  { image, programmed }: Checked,
  signal: AbortSignal,
): Promise<Outcome<Queue | null>> {
  const { queue, namespace } = site
  if (!queue || !wantsGroup(programmed)) return succeed(null)
  const sizes = sizesOf(programmed.groups)
  if (sizes > mostSizes)
    return no(`Kueue admits no more than ${mostSizes} sizes of ranks as one gang, and it has ${sizes}`)
  const owner = { name: objectName(programmed.token), uid: 'none' }
  const [pod] = podsOf(site, programmed, { queue, owner, image })
  const tried = { ...pod, metadata: { ...pod?.metadata, ownerReferences: [] } }
  const why = await whyNoGroup({ client, namespace, token: programmed.token, pod: tried }, signal)
  if (!why.ok) return why
  if (why.value === null) return succeed(queue)
  // One that is only large is one Job there, whose pods name all of its nodes.
  return programmed.groups.length === 1
    ? succeed(null)
    : no(`Kueue would admit ranks of different sizes as pods of one group: ${why.value}`)
}

/** So many are asked for at once. */
const podsAtOnce = 32

/** Makes the pods that are not there yet: Kueue waits for all of them. */
async function makePods(ask: Ask, { namespace }: GangSite, pods: ReturnType<typeof podsOf>): Promise<Outcome<null>> {
  for (let from = 0; from < pods.length; from += podsAtOnce) {
    const made = await together(pods.slice(from, from + podsAtOnce), async (pod) => {
      const answer = await make(ask, paths.pods(namespace), pod)
      return answer.ok || answer.refusal?.reason === 'AlreadyExists'
        ? succeed(null)
        : { ok: false, fault: answer.fault }
    })
    if (!made.ok) return made
  }
  return succeed(null)
}

/** All of them, or what went wrong first. */
async function together<T, V>(
  all: readonly T[],
  ask: (one: T) => Outcome<V> | Promise<Outcome<V>>,
): Promise<Outcome<V[]>> {
  const values: V[] = []
  for (const outcome of await Promise.all(all.map((one) => ask(one)))) {
    if (!outcome.ok) return outcome
    values.push(outcome.value)
  }
  return succeed(values)
}

/** What the claims of the pods are made after. */
function claimedBy(order: Programmed, site: GangSite, owned: ReturnType<typeof ownedBy>) {
  const groups = order.groups.map((group) => ({ group, ...extrasIn(site, order, group) }))
  const templates = groups.flatMap(({ group, claimed }) =>
    claimed === undefined ? [] : [[templatesPath(site.namespace), templateOf(group, claimed, holding(owned))] as const],
  )
  return groups.some(({ imex }) => imex)
    ? [...templates, [domainsPath(site.namespace), computeDomainOf(order, owned)] as const]
    : templates
}

type Ask = (asking: Omit<Asking, 'signal'>) => Promise<Answer>

type Owned = { metadata: { ownerReferences: { blockOwnerDeletion?: boolean }[] } }

/**
 * Some clusters let only those hold up the end of a Job who may change its finalizers (OwnerReferencesPermissionEnforcement);
 * elsewhere and for others what belongs to a Job goes after it.
 */
async function make(ask: Ask, path: string, body: object): Promise<Answer> {
  const answer = await ask({ method: 'POST', path, body })
  if (answer.ok || answer.refusal?.status !== 403 || !answer.refusal.message.includes('blockOwnerDeletion'))
    return answer
  const { metadata } = body as Owned // all that is made here has an owner
  const ownerReferences = metadata.ownerReferences.map((owner) => ({ ...owner, blockOwnerDeletion: false }))
  return ask({ method: 'POST', path, body: { ...body, metadata: { ...metadata, ownerReferences } } })
}

/** Kueue may suspend it again, which is no business of a launch. */
const isReleased = ({ metadata, spec }: Job): boolean =>
  spec.suspend !== true || queueLabel in metadata.labels || wholeAnnotation in metadata.annotations

/** Makes a Job, or finds the one that was made before. */
async function makeJob(
  ask: Ask,
  { site, order, body }: { site: GangSite; order: CredentialedOrder; body: ReturnType<typeof jobsOf>[number] },
): Promise<Outcome<Job>> {
  const { namespace, house } = site
  const { name } = body.metadata
  const made = await ask({ method: 'POST', path: paths.jobs(namespace), body })
  const known =
    made.ok || made.refusal?.reason !== 'AlreadyExists' ? made : await ask({ path: paths.jobs(namespace, name) })
  if (!known.ok) return { ok: false, fault: known.fault }
  const job = Job.parse(known.body)
  const { labels: marks, deletionTimestamp } = job.metadata
  const { completions, parallelism } = body.spec
  if (marks[labels.token] !== order.token || marks[labels.house] !== house)
    return fail('conflict', 'elsewhere', `namespace ${namespace} has a Job ${name} of somebody else`)
  if (deletionTimestamp != null) return fail('conflict', 'never', `order ${order.token} was retired already`)
  if (job.spec.completions !== completions || job.spec.parallelism !== parallelism)
    return fail(
      'conflict',
      'elsewhere',
      `another version of Isobar began it: its Job ${name} is not one of ${completions} pods of which it makes ${parallelism}`,
    )
  return succeed(job)
}

/** What lets a Job go: where there is a queue, Kueue does, and it has let go of pods by itself once there were all. */
function releaseOf({ queue }: GangSite, asPods: boolean) {
  if (asPods) return { metadata: { annotations: { [wholeAnnotation]: 'true' } } }
  return queue ? { metadata: { labels: { [queueLabel]: queue.name } } } : { spec: { suspend: false } }
}

type Release = ReturnType<typeof releaseOf>

type Releasing = { job: Job; as: Release }

/** Its uid keeps this from letting go another Job of that name. */
async function release(ask: Ask, { namespace }: GangSite, { job, as }: Releasing): Promise<Outcome<null>> {
  const { name, uid } = job.metadata
  const body = { ...as, metadata: { ...as.metadata, uid } }
  const released = await ask({ method: 'PATCH', path: paths.jobs(namespace, name), body })
  if (released.ok) return succeed(null)
  const isGone = released.refusal?.status === 404 || released.refusal?.status === 409
  return isGone
    ? fail('conflict', 'later', `the Job ${name} went while it was made`)
    : { ok: false, fault: released.fault }
}

type Checked = { image: string; programmed: Programmed }

/** What this provider cannot do yet it says before it makes anything. */
function checkOrder(order: CredentialedOrder, site: GangSite): Outcome<Checked> {
  const { image: ownImage, queue } = site
  const { programs = [], ranks } = order
  const image = order.image ?? ownImage
  if (!isToken(order.token)) return no('the token is no name for an object of Kubernetes')
  if (image === undefined)
    return no('it runs container images and none is named; add `image:` to the spec, or to the site in sites.yaml')
  if (programs.length !== ranks.length) return no('the order does not say what its ranks do')
  const groups = groupsOf(order, { isWhole: queue !== undefined })
  if (groups.some((group) => extrasIn(site, order, group).lacksRdma))
    return no('its nodes offer no resource by which pods have RDMA; name it in `rdma` of the site')
  if (ranks.some(({ part }) => part))
    return no('it gives whole accelerators only: the device plug-ins of Kubernetes know no shares that we choose')
  return succeed({ image, programmed: { ...order, programs, groups } })
}

const no = (detail: string) => fail('invalid', 'elsewhere', detail)
