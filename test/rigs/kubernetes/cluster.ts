import { manifestOf } from '#providers/kubernetes/rights.ts'
import type { ControlPlane } from './control-plane.ts'

export type PlayedNode = {
  name: string
  labels?: Record<string, string>
  taints?: { key: string; value?: string; effect: string }[]
  /** What it has of each resource; some CPUs and memory by default. */
  has?: Record<string, string>
}

/** Adds nodes that KWOK plays, and waits until the scheduler may use them. */
export async function addNodes(plane: ControlPlane, nodes: readonly PlayedNode[]): Promise<void> {
  for (const { name, labels, taints = [], has = {} } of nodes) {
    const amounts = { cpu: '16', memory: '64Gi', pods: '110', 'ephemeral-storage': '200Gi', ...has }
    await plane.ask('POST', '/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name,
        labels: { 'kubernetes.io/hostname': name, ...labels },
        annotations: { 'rig.isobar.test/node': 'played' },
      },
      spec: { taints },
      status: { capacity: amounts, allocatable: amounts },
    })
  }
}

/** Makes a namespace, with what every pod in it needs. */
export async function addNamespace(plane: ControlPlane, name: string): Promise<void> {
  await plane.ask('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  await plane.waitFor(`the account of namespace ${name}`, () =>
    plane.ask('GET', `/api/v1/namespaces/${name}/serviceaccounts/default`),
  )
}

/** Applies what the product asks an administrator for, and gives a token of exactly that account. */
export async function addAccount(plane: ControlPlane, account: Parameters<typeof manifestOf>[0]): Promise<string> {
  for (const object of manifestOf(account)) await plane.ask('POST', pathOf(object as Manifest), object)
  const { name, namespace } = account
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } }
  const { status } = (await plane.ask('POST', path, body)) as { status: { token: string } }
  return status.token
}

type Manifest = { apiVersion: string; kind: string; metadata: { namespace?: string } }

function pathOf({ apiVersion, kind, metadata: { namespace } }: Manifest): string {
  const group = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`
  return `${group}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${kind.toLowerCase()}s`
}
