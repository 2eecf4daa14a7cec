import { spawn } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { Agent, request } from 'undici'

import { namedPorts } from '#rigs/free-ports.ts'
import { planeBinary } from './binary.ts'
import { type Component, components, flagsOf, type Kind, type Ports } from './flags.ts'
import { type Guarded, startGuarded } from './guarded.ts'

export type ControlPlane = {
  /** Where its state, its logs and the kubeconfig of its administrator are. */
  folder: string
  kubeconfig: string
  port: number
  /** Whether its scheduler knows gangs. */
  gangs: boolean
  /** Asks the API server as its administrator. Throws when it refuses. */
  ask(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<unknown>
  /** A kubeconfig of the same cluster for somebody else, or on another way to it. */
  kubeconfigFor(name: string, changes: Access): string
  /** Tries again and again until it does not throw. */
  waitFor(what: string, attempt: () => Promise<unknown>): Promise<void>
  signal(component: Component, signal: NodeJS.Signals): void
  /** Starts what has ended, and waits until it answers. */
  start(component: Component): Promise<void>
  stop(): Promise<void>
}

/** Another credential or another way than its administrator's. */
type Access = {
  token?: string
  tokenFile?: string
  server?: string
  /** What is said of the cluster beside that, or instead. */
  cluster?: object
}

type Ways = {
  /** Where the API server is to dial etcd, by the port of that; straight unless told otherwise. */
  wayToEtcd?: (port: number) => Promise<number>
}

/**
 * A real Kubernetes control plane on loopback, with state, ports and keys of its own, and nodes that KWOK plays
 * (`kwok.yaml`). It ends with this process, however that ends.
 */
export async function startControlPlane(
  tell?: (line: string) => void,
  { gangs = false, crowded = false, strict = false, wayToEtcd = async (port) => port }: Partial<Kind> & Ways = {},
): Promise<ControlPlane> {
  const binary = await planeBinary(tell)
  const folder = mkdtempSync(join(tmpdir(), 'isobar-kubernetes-'))
  removeWithUs(folder)
  const ports = await namedPorts([...components, 'peer'])
  const plane = new Plane(binary, folder, {
    ports,
    etcdAt: await wayToEtcd(ports.etcd),
    kind: { gangs, crowded, strict },
  })
  try {
    for (const name of components) await plane.start(name)
    await plane.waitFor('the account that pods run as', () =>
      plane.ask('GET', '/api/v1/namespaces/default/serviceaccounts/default'),
    )
    return plane
  } catch (error) {
    await plane.stop()
    throw error
  }
}

class Plane implements ControlPlane {
  readonly folder: string
  readonly kubeconfig: string
  readonly port: number
  readonly gangs: boolean
  readonly #kind: Kind
  readonly #binary: string
  readonly #ports: Ports
  readonly #etcdAt: number
  readonly #tokens: Record<string, string>
  readonly #processes = new Map<Component, Guarded>()
  #agent: Agent | undefined

  constructor(binary: string, folder: string, { ports, etcdAt, kind }: { ports: Ports; etcdAt: number; kind: Kind }) {
    this.#etcdAt = etcdAt
    this.gangs = kind.gangs
    this.#kind = kind
    this.#binary = binary
    this.folder = folder
    this.#ports = ports
    this.port = ports['kube-apiserver']
    for (const name of ['pki', 'log']) mkdirSync(join(folder, name))
    this.#tokens = writeKeys(folder)
    this.kubeconfig = join(folder, 'admin.kubeconfig')
  }

  async start(name: Component): Promise<void> {
    this.#processes.get(name)?.end()
    await this.#processes.get(name)?.over
    const ports = name === 'kube-apiserver' ? { ...this.#ports, etcd: this.#etcdAt } : this.#ports
    const argv = flagsOf(name, { ...this.#kind, folder: this.folder, ports })
    const process = await startGuarded([this.#binary, name, ...argv], join(this.folder, 'log', name))
    this.#processes.set(name, process)
    let hasEnded = false
    void process.over.then(() => (hasEnded = true))
    await this.waitFor(name, async () => {
      if (hasEnded) throw new Ended(`${name} has ended: ${this.#logOf(name)}`)
      await this.#answers(name)
    })
    if (name === 'kube-apiserver') this.#writeKubeconfigs()
  }

  signal(name: Component, signal: NodeJS.Signals): void {
    const one = this.#processes.get(name)
    if (one) process.kill(one.pid, signal)
  }

  async stop(): Promise<void> {
    for (const one of this.#processes.values()) one.end()
    await Promise.all([...this.#processes.values()].map(({ over }) => over))
    await this.#agent?.destroy()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 })
  }

  async ask(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<unknown> {
    this.#agent ??= new Agent({ connect: { ca: this.#authority() }, connections: 32 })
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const answer = await request(`https://127.0.0.1:${this.port}${path}`, {
      method,
      dispatcher: this.#agent,
      headers: { authorization: `Bearer ${this.#tokens['admin']}`, 'content-type': type },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await answer.body.text()
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text.slice(0, 500)}`)
    return JSON.parse(text)
  }

  kubeconfigFor(
    name: string,
    { token = this.#tokens['admin'] ?? '', tokenFile, server = this.#address(), cluster: more }: Access,
  ): string {
    const path = join(this.folder, `${name}.kubeconfig`)
    const authority = Buffer.from(this.#authority()).toString('base64')
    const cluster = { server, 'certificate-authority-data': authority, ...more }
    // JSON is YAML.
    writeFileSync(
      path,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'rig',
        clusters: [{ name: 'rig', cluster }],
        users: [{ name, user: tokenFile === undefined ? { token } : { tokenFile } }],
        contexts: [{ name: 'rig', context: { cluster: 'rig', user: name } }],
      }),
      { mode: 0o600 },
    )
    return path
  }

  async waitFor(what: string, attempt: () => Promise<unknown>): Promise<void> {
    for (const deadline = performance.now() + 90_000; ; await pause(50)) {
      const failure = await attempt().then(
        () => null,
        (error: unknown) => error,
      )
      if (failure === null) return
      if (failure instanceof Ended || performance.now() > deadline)
        throw new Error(`waited in vain for ${what}`, { cause: failure })
    }
  }

  #address = (): string => `https://127.0.0.1:${this.port}`
  /** The API server makes a certificate for itself, with its authority behind it. */
  #authority = (): string => readFileSync(join(this.folder, 'pki', 'apiserver.crt'), 'utf8')
  #logOf = (name: Component): string => readFileSync(join(this.folder, 'log', name), 'utf8').slice(-2000)

  #writeKubeconfigs(): void {
    for (const [name, token] of Object.entries(this.#tokens)) this.kubeconfigFor(name, { token })
  }

  #answers(name: Component): Promise<unknown> {
    switch (name) {
      case 'etcd':
        return healthy(`http://127.0.0.1:${this.#ports.etcd}/health`)
      case 'kube-apiserver':
        return this.ask('GET', '/api/v1/namespaces/kube-system')
      case 'kwok':
        return healthy(`http://127.0.0.1:${this.#ports.kwok}/healthz`)
      case 'kube-controller-manager':
      case 'kube-scheduler':
        return healthy(`https://127.0.0.1:${this.#ports[name]}/healthz`)
      default:
        throw new Error(`no component ${name satisfies never}`)
    }
  }
}

class Ended extends Error {}

/** The API server's own is not asked for by anybody else, so that whose certificate it is does not matter. */
async function healthy(url: string): Promise<void> {
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } })
  try {
    const { statusCode, body } = await request(url, { dispatcher })
    await body.dump()
    if (statusCode !== 200) throw new Error(`${url} answers ${statusCode}`)
  } finally {
    await dispatcher.destroy()
  }
}

/** Keys for the tokens of pods, and tokens of the components: by name, each with the groups that it is in. */
function writeKeys(folder: string): Record<string, string> {
  const accounts = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const write = (name: string, text: string) => writeFileSync(join(folder, 'pki', name), text, { mode: 0o600 })
  write('accounts.key', accounts.privateKey)
  write('accounts.pub', accounts.publicKey)
  const users = [
    ['admin', 'admin', 'system:masters'],
    ['controllers', 'system:kube-controller-manager', ''],
    ['scheduler', 'system:kube-scheduler', ''],
    ['kwok', 'kwok', 'system:masters'],
    ['stranger', 'stranger', ''],
    ['node', 'system:node:localhost', 'system:nodes'],
    ['dns', 'dns', 'system:masters'],
  ] as const
  const tokens = users.map(([name, user, groups]) => ({ name, user, groups, token: randomBytes(16).toString('hex') }))
  write('tokens.csv', tokens.map(({ token, user, groups }) => `${token},${user},${user},"${groups}"\n`).join(''))
  return Object.fromEntries(tokens.map(({ name, token }) => [name, token]))
}

/** However we end, the folder goes once the pipe from us breaks and who writes to it has been killed. */
function removeWithUs(folder: string): void {
  const stdio = ['pipe', 'ignore', 'ignore'] as const
  const child = spawn('sh', ['-c', 'read -r _; sleep 1; rm -rf "$0"', folder], { detached: true, stdio: [...stdio] })
  child.unref()
  if (child.stdin instanceof Socket) child.stdin.unref()
}
