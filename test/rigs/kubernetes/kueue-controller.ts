import { copyFileSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { request } from 'undici'
import { parse, parseAllDocuments } from 'yaml'

import { kueueBinary, kueueFiles } from './binary.ts'
import { namedPorts } from '#rigs/free-ports.ts'
import type { ControlPlane } from './control-plane.ts'
import { definitionsOfKueue, type Definition, serve } from './definitions.ts'
import { startGuarded } from './guarded.ts'

/** The version of its API that Kueue 0.8 serves. */
export const kueueApi = 'kueue.x-k8s.io/v1beta1'
const group = `/apis/${kueueApi}`
const webhooks = '/apis/admissionregistration.k8s.io/v1'

/**
 * The real Kueue in a control plane: its own controller, definitions and webhooks, with pods among what it admits. It has
 * the rights of an administrator, and the certificate of the API server: what else its installation would make is left
 * out. Ends with this process, or when it is told.
 */
export async function startKueue(
  plane: ControlPlane,
  tell?: (line: string) => void,
): Promise<{ stop(): Promise<void> }> {
  const binary = await kueueBinary(tell)
  const files = kueueFiles()
  const folder = join(plane.folder, 'kueue')
  mkdirSync(folder)
  for (const kind of ['crt', 'key'])
    copyFileSync(join(plane.folder, 'pki', `apiserver.${kind}`), join(folder, `tls.${kind}`))
  const ports = await namedPorts(['webhook', 'health'])
  for (const path of globSync(join(files, definitionsOfKueue, '*.yaml')))
    await serve(plane, parse(readFileSync(path, 'utf8')) as Definition)
  const config = join(folder, 'config.json')
  writeFileSync(config, JSON.stringify(configOf(folder, ports)))
  const log = join(plane.folder, 'log', 'kueue')
  const running = await startGuarded([binary, `--config=${config}`, `--kubeconfig=${plane.kubeconfig}`], log)
  const ended = running.over.then(() => {
    throw new Error(`Kueue has ended: ${readFileSync(log, 'utf8').slice(-2000)}`)
  })
  const ready = plane.waitFor('Kueue', async () => {
    const { statusCode, body } = await request(`http://127.0.0.1:${ports.health}/readyz`)
    await body.dump()
    if (statusCode !== 200) throw new Error(`Kueue answers ${statusCode}`)
  })
  await Promise.race([ready, ended])
  const manifests = readFileSync(join(files, 'config/components/webhook/manifests.yaml'), 'utf8')
  for (const document of parseAllDocuments(manifests)) {
    const told = withAddress(document.toJS() as Webhooks, { folder, port: ports.webhook })
    await plane.ask('POST', `${webhooks}/${told.kind.toLowerCase()}s`, told)
  }
  return {
    async stop() {
      running.end()
      await running.over
    },
  }
}

/** A label of a namespace in which Kueue leaves pods alone. */
export const jobsOnly = 'rig.isobar.test/jobs-only'

/** As its documentation has it for what is not usual: no leader, and pods beside Jobs. */
const configOf = (certDir: string, ports: { webhook: number; health: number }): object => ({
  apiVersion: 'config.kueue.x-k8s.io/v1beta1',
  kind: 'Configuration',
  health: { healthProbeBindAddress: `127.0.0.1:${ports.health}` },
  metrics: { bindAddress: '0' },
  webhook: { host: '127.0.0.1', port: ports.webhook, certDir },
  leaderElection: { leaderElect: false },
  internalCertManagement: { enable: false },
  clientConnection: { qps: 500, burst: 1000 },
  integrations: {
    frameworks: ['batch/job', 'pod'],
    podOptions: {
      namespaceSelector: {
        matchExpressions: [
          { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'kueue-system'] },
          { key: jobsOnly, operator: 'DoesNotExist' },
        ],
      },
    },
  },
})

type Webhooks = { kind: string; webhooks: { clientConfig: { service: { path: string } } }[] }

/** Its webhooks without a Service, which no node here would lead to. */
function withAddress(told: Webhooks, { folder, port }: { folder: string; port: number }) {
  const caBundle = readFileSync(join(folder, 'tls.crt')).toString('base64')
  const reached = told.webhooks.map((one) => ({
    ...one,
    clientConfig: { url: `https://127.0.0.1:${port}${one.clientConfig.service.path}`, caBundle },
  }))
  return { ...told, webhooks: reached }
}

/** Priorities of work, by the name of their class. */
export async function addPriorities(plane: ControlPlane, classes: Record<string, number>): Promise<void> {
  for (const [name, value] of Object.entries(classes))
    await plane.ask('POST', `${group}/workloadpriorityclasses`, {
      apiVersion: kueueApi,
      kind: 'WorkloadPriorityClass',
      metadata: { name },
      value,
    })
}

/** A queue of a namespace with a quota of its own: those of higher priority make those of lower leave. */
export async function addQuota(
  plane: ControlPlane,
  { namespace, queue, cpus }: { namespace: string; queue: string; cpus: number },
): Promise<void> {
  const make = (kind: string, path: string, body: object) =>
    plane.ask('POST', `${group}/${path}`, { apiVersion: kueueApi, kind, ...body })
  const quotas = { cpu: cpus, memory: '1Ti', 'ephemeral-storage': '10Ti' }
  await make('ResourceFlavor', 'resourceflavors', { metadata: { name: namespace } })
  await make('ClusterQueue', 'clusterqueues', {
    metadata: { name: namespace },
    spec: {
      namespaceSelector: {},
      preemption: { withinClusterQueue: 'LowerPriority' },
      resourceGroups: [
        {
          coveredResources: Object.keys(quotas),
          flavors: [
            {
              name: namespace,
              resources: Object.entries(quotas).map(([name, nominalQuota]) => ({ name, nominalQuota })),
            },
          ],
        },
      ],
    },
  })
  await make('LocalQueue', `namespaces/${namespace}/localqueues`, {
    metadata: { name: queue },
    spec: { clusterQueue: namespace },
  })
}

type Waiting = { metadata: { name: string }; status?: { conditions?: { type: string; status: string }[] } }

/** What Kueue has in its line in a namespace. */
export async function workloadsIn(plane: ControlPlane, namespace: string): Promise<Waiting[]> {
  return ((await plane.ask('GET', `${group}/namespaces/${namespace}/workloads`)) as { items: Waiting[] }).items
}
