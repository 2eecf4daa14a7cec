import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { ProviderName } from '#model/names.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Site } from '#model/site.ts'
import type { Abilities, Handle, Provider, Sighting, Taken } from '#providers/provider.ts'
import { isStore, siteOf } from '#providers/declared-store.ts'
import { remainsOf } from './remains.ts'
import { type Client, createClient } from './client.ts'
import type { KubernetesSite } from './config.ts'
import { identityOf } from './identity.ts'
import { type Inventory, offersOf, takeInventory } from './inventory.ts'
import { askQueue } from './kueue.ts'
import { speaksKueue } from './kueue-version.ts'
import { type Connection, inCluster, readKubeconfig } from './kubeconfig.ts'
import { launchGang } from './launch.ts'
import type { LogFiles } from './log-file.ts'
import { readLog } from './logs.ts'
import { isToken, ours, paths } from './names.ts'
import { acceleratorResourceOf } from './nodes.ts'
import { createNotices, type Notices } from './notices.ts'
import { pagesOf } from './pages.ts'
import { createPicture, type Picture } from './picture.ts'
import { retireGang } from './retire.ts'
import { dialPod, withForwarded } from './forwarding.ts'
import { sightingsOf } from './sight.ts'
import { createRefusals } from './turned-away.ts'
import { Job, Pod } from './wire.ts'

export type KubernetesOptions = {
  sites: readonly KubernetesSite[]
  /** Which house the objects belong to, a label: several may share a namespace, and none touches what is another's. */
  house: string
  /** Who runs the clusters, `kubernetes` when nobody in particular. */
  provider?: ProviderName
  /** Makes the client of a site, by its name; by default one that reaches it over the network. */
  clientOf?: (connect: () => Promise<Connection>, site: string) => Client
}

export type Kubernetes = Provider & {
  readonly abilities: Required<Pick<Abilities, 'inventory'>>
  close(): Promise<void>
}

/**
 * A site as a call finds it. `known` is its inventory as it was asked for last: whoever has none asks. `notices`: what its
 * nodes were seen to say of their end, by whoever looked at them last.
 */
type Here = {
  provider: ProviderName
  declared: KubernetesSite
  client: Client
  house: string
  namespace: string
  known: { inventory?: Inventory }
  notices: Notices
} & Learned

/** What goes on from call to call at a site. */
type Learned = { picture: Picture; withRefusals: ReturnType<typeof createRefusals> }

/**
 * Clusters behind a Kubernetes API. A gang is an Indexed Job, whose pods the cluster runs without an agent of ours: how
 * each rank is, its pod tells. Nothing that matters is kept in memory.
 */
export function createKubernetes(options: KubernetesOptions): Kubernetes {
  const { sites, house, provider = 'kubernetes', clientOf = createClient } = options
  const files: LogFiles = new Map()
  const open = new Map(sites.map((declared) => [declared.name, openedBy(clientOf, declared)] as const))
  const learned = new Map<string, Learned>()
  /** Asks the site of that name in its namespace, or says that there is none. */
  const at = async <T>(name: string, signal: AbortSignal, question: (here: Here) => Promise<Outcome<T>>) => {
    const site = open.get(name)
    if (!site) return fail('invalid', 'elsewhere', `no Kubernetes site is named ${name}`)
    if (signal.aborted) return fail('unreachable', 'later', `${name}: the call was given up`)
    const own = site.declared.namespace
    const namespace = own === undefined ? await site.client.namespace(signal) : succeed(own)
    if (!namespace.ok) return namespace
    const here = { ...site, provider, house, namespace: namespace.value }
    const its = learned.get(name) ?? { picture: createPicture(here), withRefusals: createRefusals(here) }
    learned.set(name, its)
    return question({ ...here, ...its })
  }
  /** The same for one gang. Whose token can be no name of ours has nothing there. */
  const ask = <T>(
    { site, token }: Handle,
    signal: AbortSignal,
    on: { otherwise: T; question: (here: Here) => Promise<Outcome<T>> },
  ) => at(site, signal, (here) => (isToken(token) ? on.question(here) : Promise.resolve(succeed(on.otherwise))))

  return {
    name: provider,
    sites: () => sites.map((site) => declaredSite(provider, site)),
    offers: (name, signal) =>
      at(name, signal, (here) => looked(here, signal, ({ nodes }) => offersOf(here.declared, nodes))),
    launch: (order, signal) => at(order.site, signal, (here) => touching(here, () => launch(here, order, signal))),
    get: (handle, signal) =>
      ask<Sighting | null>(handle, signal, { otherwise: null, question: (here) => getOne(here, handle.token, signal) }),
    list: (name, signal) => at(name, signal, (here) => list(here, signal)),
    retire: (handle, graceMs, signal) =>
      ask(handle, signal, {
        otherwise: 'gone',
        question: (here) =>
          touching(here, () =>
            retireGang({ ...here, token: handle.token, graceMs, isQueued: here.declared.queue !== undefined }, signal),
          ),
      }),
    logs: (handle, part, signal) =>
      ask(handle, signal, {
        otherwise: { from: part.from, bytes: new Uint8Array(), end: true },
        question: (here) => readLog({ ...here, token: handle.token, part, files }, signal),
      }),
    abilities: {
      runsRanks: true,
      remains: (name, signal) => at(name, signal, (here) => remainsOf(here, signal)),
      dial: (name, place, signal) => at(name, signal, (here) => dialPod({ ...here, ...place }, signal)),
      watch: (name, since, signal) => at(name, signal, ({ picture }) => picture.watch(since, signal)),
      identity: (name, signal) => at(name, signal, (here) => identityOf(here, signal)),
      inventory: (name, signal) => at(name, signal, (here) => looked(here, signal, ({ nodes }) => nodes)),
    },
    async close() {
      for (const { picture } of learned.values()) picture.stop()
      for (const { client } of open.values()) await client.close()
    },
  }
}

const openedBy = (clientOf: NonNullable<KubernetesOptions['clientOf']>, declared: KubernetesSite) => {
  const known: Here['known'] = {}
  const notices = createNotices(declared.notices)
  return { declared, client: speaksKueue(clientOf(() => connect(declared), declared.name)), known, notices }
}

export const connect = ({ inCluster: isInside, kubeconfig, context }: KubernetesSite): Promise<Connection> =>
  isInside ? inCluster() : readKubeconfig({ path: kubeconfig, context })

/** How long a gang may stand in a queue of the cluster. */
const admissionMs = 3_600_000

const declaredSite = (provider: ProviderName, site: KubernetesSite): Site => ({
  ...siteOf(provider, {
    ...site,
    patienceMs: site.patience,
    upWithinMs: site.upWithin ?? (site.queue === undefined ? undefined : admissionMs),
  }),
  mixesShapes: true,
})

async function look(here: Here, signal: AbortSignal): Promise<Outcome<Inventory>> {
  const found = (await here.picture.inventory(signal)) ?? (await takeInventory({ ...here, ours: here }, signal))
  if (found.ok) here.known.inventory = found.value
  return found
}

async function looked<T>(here: Here, signal: AbortSignal, as: (found: Inventory) => T): Promise<Outcome<T>> {
  const found = await look(here, signal)
  return found.ok ? succeed(as(found.value)) : found
}

async function launch(here: Here, order: CredentialedOrder, signal: AbortSignal): Promise<Outcome<Taken>> {
  const { client, declared, house, namespace, known } = here
  const { image, checkpoints, checkpointsImage, serviceAccount, runAsUser } = declared
  const { queue, queuePriority, queueTopology } = declared
  const found = known.inventory ? succeed(known.inventory) : await look(here, signal)
  if (!found.ok) return found
  const { resources, nodes, kinds } = found.value
  const chosen = new Set(order.ranks.map(({ node }) => node))
  const site = {
    house,
    namespace,
    image,
    checkpoints: isStore(checkpoints) ? undefined : checkpoints,
    checkpointsImage,
    serviceAccount,
    runAsUser,
    queue: queue === undefined ? undefined : { name: queue, priority: queuePriority, topology: queueTopology },
    acceleratorResource: (shape: string) => resources.get(shape) ?? acceleratorResourceOf({}),
    kinds,
    taints: [...new Set(nodes.flatMap(({ name, taints = [] }) => (chosen.has(name) ? taints : [])))],
  }
  return launchGang({ client, site }, order, signal)
}

/** What is followed does not show yet what a call does, or has just done. */
async function touching<T>({ picture }: Here, call: () => Promise<T>): Promise<T> {
  picture.touch()
  try {
    return await call()
  } finally {
    picture.touch()
  }
}

async function list(here: Here, signal: AbortSignal): Promise<Outcome<Sighting[]>> {
  const seen = (await here.picture.sightings(signal)) ?? (await sightingsAt(here, undefined, signal))
  return seen.ok ? succeed(await shown(here, seen.value, signal)) : seen
}

async function getOne(here: Here, token: string, signal: AbortSignal): Promise<Outcome<Sighting | null>> {
  const seen = await sightingsAt(here, token, signal)
  return seen.ok ? succeed((await shown(here, seen.value, signal))[0] ?? null) : seen
}

async function shown(here: Here, seen: Sighting[], signal: AbortSignal): Promise<Sighting[]> {
  const { provider, declared, notices, withRefusals } = here
  const told = notices.tell(await withRefusals(seen, signal))
  return declared.endpoints === 'forwarded'
    ? told.map((one) => withForwarded({ provider, site: declared.name }, one))
    : told
}

/**
 * Pods are asked after Jobs: so pods of a gang that is just being made are never seen without its Job. And Kueue after
 * both: it says that it takes a gang's quota back before the pods end of that.
 */
async function sightingsAt(here: Here, token: string | undefined, signal: AbortSignal): Promise<Outcome<Sighting[]>> {
  const { client, declared, namespace, house } = here
  const query = ours(house, token)
  const jobs = await pagesOf({ client, path: `${paths.jobs(namespace)}?${query}`, item: Job }, signal)
  if (!jobs.ok) return jobs
  const pods = await pagesOf({ client, path: `${paths.pods(namespace)}?${query}`, item: Pod }, signal)
  if (!pods.ok) return pods
  const words = declared.queue === undefined ? succeed(undefined) : await askQueue({ client, namespace }, signal)
  return words.ok ? succeed(sightingsOf(jobs.value, pods.value, words.value)) : words
}
