import { X509Certificate } from 'node:crypto'

import { z } from 'zod'

import { formatMoney } from '#kit/money.ts'
import type { Examination, Obstacle } from '#model/examination.ts'
import type { Fault } from '#model/fault.ts'
import { type Draft, nameFrom, nothingFound, obstacle, obstacleOf, readDraft, unknownOf } from '#providers/examining.ts'
import { jurisdictionsOf } from '#providers/regions.ts'
import { isNothing, manifestOfMissing, type Missing, missingRights, type Rights, whoami } from './access.ts'
import { type Client, createClient } from './client.ts'
import { KubernetesConfig, type KubernetesSite } from './config.ts'
import { IdentityProblem } from './exec-credential.ts'
import { extensionsOf, kindsOf, levelsOf, regionsOf, unknownLabels } from './found.ts'
import { identityOf } from './identity.ts'
import { takeInventory } from './inventory.ts'
import { listMicrosOf, listSource } from './list-prices.ts'
import type { Connection } from './kubeconfig.ts'
import { findQueue } from './kueue.ts'
import { speaksKueue } from './kueue-version.ts'
import { connect } from './kubernetes.ts'
import { paths } from './names.ts'
import { groupsVersion } from './pod-groups.ts'
import {
  claimRights,
  clusterRights,
  deviceRights,
  domainRights,
  forwardRights,
  groupRights,
  identityRights,
  namespaceRights,
  podGroupRights,
  queueRights,
  reasonRights,
  type Right,
} from './rights.ts'

/** The oldest that has what a gang needs (decision 38). */
const leastMinor = 29

/**
 * Looks at a cluster before it is joined: whether it answers, its version, what we may do there, what it has. Nothing is
 * changed there. What is known of the declaration then is filled in: whoever changes his current context later does not
 * move the site. `wishes` are rights of the whole cluster that are good to have beside those that all is done with.
 */
export async function examineKubernetes(
  draft: Draft,
  signal: AbortSignal,
  wishes: readonly Right[] = [],
): Promise<Examination> {
  const found = nothingFound(draft)
  const read = readDraft(KubernetesConfig, draft)
  if ('wrong' in read) return { ...found, obstacles: [read.wrong] }
  const { site } = read
  const reached = await reach(site, signal)
  if ('wrong' in reached) return { ...found, obstacles: [reached.wrong] }
  const client = speaksKueue(createClient(() => Promise.resolve(reached.connection)))
  try {
    return await look({ draft, site, client, connection: reached.connection, wishes }, signal)
  } finally {
    await client.close()
  }
}

/** Finds where the cluster is and who we are there, without asking the cluster. */
async function reach(
  site: KubernetesSite,
  signal: AbortSignal,
): Promise<{ connection: Connection } | { wrong: Obstacle }> {
  const connection = await connect(site).catch(problemOf)
  if (connection instanceof IdentityProblem)
    return { wrong: obstacle('invalid', connection.message, 'kubectl config get-contexts') }
  const credential = await connection.credential(signal).catch(problemOf)
  if (credential instanceof IdentityProblem)
    return { wrong: obstacle('denied', credential.message, `${kubectlOf(connection)} auth whoami`) }
  const { cert } = credential
  const ended = cert === null ? null : endOf(cert)
  if (ended === null || ended > Date.now()) return { connection }
  const what = `the certificate of ${nameOf(connection)} ended at ${new Date(ended).toISOString()}`
  return { wrong: obstacle('denied', what, 'get a new one from whoever runs the cluster: kubeadm certs renew') }
}

function problemOf(error: unknown): IdentityProblem {
  if (error instanceof IdentityProblem) return error
  throw error
}

/** When a certificate ends, in ms since the epoch; null for what is none, which the API server will say. */
function endOf(pem: string): number | null {
  try {
    return Date.parse(new X509Certificate(pem).validTo)
  } catch {
    return null
  }
}

const kubectlOf = ({ context }: Connection): string =>
  context === undefined ? 'kubectl' : `kubectl --context ${context}`

const nameOf = ({ context, server }: Connection): string => (context === undefined ? server : `context ${context}`)

const Version = z.object({ major: z.string(), minor: z.string(), gitVersion: z.string() })

type Looking = {
  draft: Draft
  site: KubernetesSite
  client: Client
  connection: Connection
  wishes: readonly Right[]
}

async function look(looking: Looking, signal: AbortSignal): Promise<Examination> {
  const { draft, site, client, connection } = looking
  const { context, server } = connection
  const namespace = site.namespace ?? connection.namespace
  const name = draft['name'] ?? nameFrom(context)
  const declaration: Draft = {
    ...draft,
    ...(name !== undefined && { name }),
    ...(context !== undefined && { context }),
    namespace,
  }
  const found = nothingFound(declaration)
  const answer = await client.ask({ path: '/version', signal })
  if (!answer.ok) return { ...found, obstacles: [inOurWords(answer.fault, connection)] }
  const version = Version.safeParse(answer.body).data
  if (!version)
    return {
      ...found,
      obstacles: [obstacle('invalid', `${server} is no API server of Kubernetes`, 'kubectl cluster-info')],
    }
  found.facts.push({ name: 'version', value: version.gitVersion }, { name: 'server', value: server })
  if (connection.proxy) found.facts.push({ name: 'proxy', value: connection.proxy.origin })
  const minor = Number.parseInt(version.minor, 10)
  if (Number(version.major) === 1 && minor < leastMinor) {
    const what = `${server} is Kubernetes ${version.gitVersion}, and 1.${leastMinor} is the oldest that has what a gang needs`
    return { ...found, obstacles: [obstacle('invalid', what, 'update the cluster')] }
  }
  const groups = await client.ask({ path: '/apis', signal })
  if (groups.ok) found.extensions = extensionsOf(groups.body)
  const account = await whoami(client, signal)
  const missing = await missingRights(client, { namespace, needed: usedAt(looking, found) }, signal)
  if (!missing.ok) return { ...found, obstacles: [inOurWords(missing.fault, connection)] }
  if (context !== undefined) found.facts.push({ name: 'context', value: context })
  found.facts.push({ name: 'namespace', value: namespace }, { name: 'account', value: account ?? 'unknown' })
  const needed = neededOf(missing.value, looking.wishes)
  const isNamespaceMissing = await isAbsent(client, { namespace, missing: needed }, signal)
  found.obstacles.push(...lacks({ account, namespace, missing: needed, isNamespaceMissing }))
  if (found.obstacles.length === 0) {
    if (!isNothing(missing.value))
      found.notes.push(`${account ?? 'our account'} ${listOf(missing.value)}: it works without, and better with it`)
    found.obstacles.push(...(await queueTrouble(looking, namespace, signal)))
  }
  if (account !== null)
    found.manifest = manifestOfMissing({ account, namespace, missing: missing.value, isNamespaceMissing })
  await lookAtNodes(found, looking, signal)
  const identity = await identityOf({ client, namespace }, signal)
  if (identity.ok) found.identity = identity.value
  return found
}

/** All that is done at a site. */
function usedAt({ site: { queue, endpoints }, wishes }: Looking, { extensions }: Examination): Rights {
  const has = (extension: string, version: string): boolean =>
    extensions.some(({ name, versions }) => name === extension && versions.includes(version))
  const devices = has('DRA', 'v1')
  const namespace = [
    ...namespaceRights,
    ...reasonRights,
    ...identityRights,
    ...(endpoints === 'forwarded' ? forwardRights : []),
    ...(queue === undefined
      ? has('PodGroups', groupsVersion)
        ? groupRights
        : []
      : [...queueRights, ...podGroupRights]),
    ...(devices ? claimRights : []),
    ...(has('ComputeDomains', 'v1beta1') ? domainRights : []),
  ]
  return { namespace, cluster: [...clusterRights, ...(devices ? deviceRights : []), ...wishes] }
}

/**
 * Without these we list on a timer, do not know why pods are not made, nor whether the namespace is a site already, the
 * scheduler knows pods only, nothing is claimed, and in a queue a gang is one Job or goes elsewhere.
 */
const isWish = ({ apiGroups, resources, verbs }: Right): boolean =>
  resources.some((one) => ['podgroups', 'events', 'namespaces'].includes(one)) ||
  apiGroups.some((group) => group.startsWith('resource.')) ||
  verbs.every((verb) => verb === 'watch') ||
  podGroupRights.some((one) => isSame(one.resources, resources) && isSame(one.verbs, verbs))

const isSame = (some: readonly string[], others: readonly string[]): boolean => some.join() === others.join()

const neededOf = ({ namespace, cluster }: Missing, wishes: readonly Right[]): Missing => {
  const wished = new Set(wishes.flatMap(({ resources }) => resources))
  const isNeeded = (one: Right) => !isWish(one) && !one.resources.every((resource) => wished.has(resource))
  return { namespace: namespace.filter(isNeeded), cluster: cluster.filter(isNeeded) }
}

/** What is wrong with the queue that the site's work is to stand in. */
async function queueTrouble({ site, client }: Looking, namespace: string, signal: AbortSignal): Promise<Obstacle[]> {
  if (site.queue === undefined) return []
  const queue = { name: site.queue, priority: site.queuePriority, topology: site.queueTopology }
  const found = await findQueue({ client, namespace, queue }, signal)
  return found.ok ? [] : [obstacleOf(found.fault, `kubectl -n ${namespace} get localqueues`)]
}

/** What to do about a cluster that does not answer as it should. */
function inOurWords(fault: Fault, connection: Connection): Obstacle {
  const kubectl = kubectlOf(connection)
  if (fault.kind === 'denied' && fault.detail.startsWith('401')) {
    const what = `${connection.server} does not know the credential of ${nameOf(connection)} (${fault.detail})`
    return obstacle('denied', what, `sign in again, until this works: ${kubectl} auth whoami`)
  }
  return obstacleOf(fault, `${kubectl} get --raw /version`)
}

type Access = { account: string | null; namespace: string; missing: Missing; isNamespaceMissing: boolean }

const apply = 'the manifest that is missing is printed: isobar site add … --dry-run | kubectl apply -f -'

function lacks({ account, namespace, missing, isNamespaceMissing }: Access): Obstacle[] {
  const obstacles: Obstacle[] = []
  if (!isNothing(missing)) {
    const what = `${account ?? 'our account'} ${listOf(missing)}`
    obstacles.push(
      obstacle('denied', what, account === null ? 'give it these rights (docs/how-to/kubernetes.md)' : apply),
    )
  }
  if (isNamespaceMissing)
    obstacles.push(obstacle('invalid', `there is no namespace ${namespace}`, `kubectl create namespace ${namespace}`))
  return obstacles
}

const listOf = ({ namespace, cluster }: Missing): string => {
  const rights = [...namespace, ...cluster].flatMap(({ resources, verbs }) =>
    resources.map((resource) => `${verbs.join(', ')} ${resource}`),
  )
  return `may not ${rights.join('; ')}`
}

/** Whoever may not look at namespaces learns of one that is missing by what he could make in it. */
async function isAbsent(
  client: Client,
  { namespace, missing }: { namespace: string; missing: Missing },
  signal: AbortSignal,
): Promise<boolean> {
  const seen = await client.ask({ path: `/api/v1/namespaces/${namespace}`, signal })
  if (seen.ok || seen.refusal?.status === 404) return !seen.ok
  if (!isNothing(missing)) return false
  const metadata = { generateName: 'isobar-' }
  const body = { apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP: 'None' } }
  const tried = await client.ask({ method: 'POST', path: `${paths.services(namespace)}?dryRun=All`, body, signal })
  return !tried.ok && tried.refusal?.status === 404
}

async function lookAtNodes(found: Examination, { draft, site, client }: Looking, signal: AbortSignal): Promise<void> {
  // Nothing of ours is there yet, so that every pod is somebody else's.
  const taken = await takeInventory({ client, declared: site, ours: null }, signal)
  if (!taken.ok) {
    if (taken.fault.kind !== 'denied') found.obstacles.push(obstacleOf(taken.fault, 'kubectl get nodes'))
    return
  }
  const { nodes } = taken.value
  const told = (shape: string) => site.prices[shape] ?? (draft['price'] === undefined ? undefined : site.price)
  found.nodes = kindsOf(nodes, (shape, alike) => told(shape) ?? listMicrosOf(alike) ?? null)
  declareListed(
    found,
    found.nodes.filter(({ shape }) => told(shape) === undefined),
  )
  found.topology = levelsOf(nodes, site.topology)
  found.obstacles.push(...unknownLabels(nodes, site.topology))
  const regions = regionsOf(nodes)
  if (regions.length > 0) found.facts.push({ name: 'regions', value: regions.join(', ') })
  const jurisdictions = draft['jurisdictions'] ?? jurisdictionsOf(regions)
  if (jurisdictions !== null) found.declaration = { ...found.declaration, jurisdictions }
  const { declaration } = found
  found.unknown = unknownOf({ declaration, nodes: found.nodes, regions })
  if (!found.topology.some(({ labels }) => !labels.includes('topology.kubernetes.io/zone')) && nodes.length > 0)
    found.notes.push('no label says how nodes are connected: --topology names those that do, the tightest first')
  if (draft['price'] === undefined && found.unknown.every(({ field }) => !field.startsWith('price')))
    found.notes.push('nodes of other kinds than these would cost nothing: --price says what those cost')
  if (!site.inCluster && site.endpoints === undefined)
    found.notes.push('gateways reach services where they reach pods: --endpoints forwarded is for all others')
  if (!site.image) found.notes.push('specs have to name their image: --image is for those that name none')
  if (!site.checkpoints)
    found.notes.push(
      'checkpoints go with their pods: --checkpoints names an object store, or a PersistentVolumeClaim that all pods write',
    )
}

/** Prices that nobody told and the list knows are declared by shape, so that they stay what they are. */
function declareListed(found: Examination, untold: Examination['nodes']): void {
  const listed = untold.flatMap(({ shape, priceMicros }) =>
    priceMicros === null ? [] : [[shape, `${formatMoney(BigInt(priceMicros))}/h`] as const],
  )
  if (listed.length === 0) return
  const { prices } = found.declaration
  const told = typeof prices === 'object' ? prices : {}
  found.declaration = { ...found.declaration, prices: { ...told, ...Object.fromEntries(listed) } }
  const text = listed.map(([shape, price]) => `${shape} ${price}`).join(', ')
  found.notes.push(`from ${listSource}: ${text}; --prices says what you pay instead`)
}
