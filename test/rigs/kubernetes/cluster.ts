import { sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

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

/** A folder of the real node as a volume, and in the namespace of the same name a claim that has it. */
export async function addVolume(
  plane: ControlPlane,
  { name, claim, path }: { name: string; claim: string; path: string },
): Promise<void> {
  const spec = { accessModes: ['ReadWriteMany'], storageClassName: '' }
  await plane.ask('POST', '/api/v1/persistentvolumes', {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      ...spec,
      capacity: { storage: '1Gi' },
      hostPath: { path, type: 'DirectoryOrCreate' },
      persistentVolumeReclaimPolicy: 'Retain',
      claimRef: { namespace: name, name: claim },
    },
  })
  await plane.ask('POST', `/api/v1/namespaces/${name}/persistentvolumeclaims`, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: claim },
    spec: { ...spec, resources: { requests: { storage: '1Gi' } }, volumeName: name },
  })
}

/** Rights beyond those that all need. */
export type Extra = Omit<Parameters<typeof manifestOf>[0], 'name' | 'namespace'>

/** Applies what the product asks an administrator for, and gives a token of exactly that account. */
export async function addAccount(plane: ControlPlane, account: Parameters<typeof manifestOf>[0]): Promise<string> {
  for (const object of manifestOf(account)) await plane.ask('POST', pathOf(object as Manifest), object)
  const { name, namespace } = account
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } }
  const { status } = (await plane.ask('POST', path, body)) as { status: { token: string } }
  return status.token
}

/**
 * A token of an account as its API server makes them, that ends so many seconds from now, or has ended. The API server
 * takes a token for a minute longer.
 */
export async function tokenOf(
  plane: ControlPlane,
  { name, namespace, seconds }: { name: string; namespace: string; seconds: number },
): Promise<string> {
  const account = (await plane.ask('GET', `/api/v1/namespaces/${namespace}/serviceaccounts/${name}`)) as {
    metadata: { uid: string }
  }
  const issuer = 'https://kubernetes.default.svc'
  const until = Math.floor(Date.now() / 1000) + seconds
  const claims = {
    iss: issuer,
    aud: [issuer],
    sub: `system:serviceaccount:${namespace}:${name}`,
    iat: until - 3600,
    nbf: until - 3600,
    exp: until,
    'kubernetes.io': { namespace, serviceaccount: { name, uid: account.metadata.uid } },
  }
  const signed = `${encode({ alg: 'RS256' })}.${encode(claims)}`
  const key = readFileSync(join(plane.folder, 'pki', 'accounts.key'))
  return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), key).toString('base64url')}`
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

type Manifest = { apiVersion: string; kind: string; metadata: { namespace?: string } }

function pathOf({ apiVersion, kind, metadata: { namespace } }: Manifest): string {
  const group = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`
  return `${group}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${kind.toLowerCase()}s`
}
