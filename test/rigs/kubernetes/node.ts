import { execFile, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

import { childrenOf } from '#rigs/processes.ts'
import { dnsBinary, planeBinary } from './binary.ts'
import { namedPorts } from '#rigs/free-ports.ts'
import type { ControlPlane } from './control-plane.ts'
import { type Guarded, startGuard, startGuarded } from './guarded.ts'
import { writeImages } from './images.ts'
import { nodeSettings, socketOf } from './node-settings.ts'

const run = promisify(execFile)

/** Its name. It is reached under it as well, from the API server. */
export const nodeName = 'localhost'

export type RealNode = {
  /** What its bridge and its cgroups are called, and where its files are. */
  id: string
  folder: string
  /** Where pods reach this machine, and the name server of their cluster. */
  address: string
  /** A folder of it for volumes. */
  checkpoints: string
  /** SIGKILL to one of its programs, or another signal. */
  signal(program: 'kubelet' | 'containerd', signal: NodeJS.Signals): void
  /** Starts the kubelet again after it was killed. */
  startKubelet(): Promise<void>
  /** SIGKILL to the first process of a pod's container. */
  killContainer(pod: string): Promise<void>
  /** How many containers of a namespace's pods run, whoever knows of it. */
  runs(namespace: string): Promise<number>
  /** Ends all that runs there and removes it: no mount, interface, cgroup, process or file is left. */
  stop(): Promise<void>
}

const programs = ['containerd', 'ctr', 'runc', 'busybox', 'ip', 'unshare', 'nsenter']

/** Why no real node can be started on this machine, or null if one can. */
export function noNodeHere(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a real node needs Linux, and root'
  const missing = programs.filter((name) => spawnSync('sh', ['-c', 'command -v "$0"', name], { env }).status !== 0)
  if (missing.length === 0 && existsSync('/usr/lib/cni/bridge')) return null
  return `a real node needs ${[...missing, 'the CNI plug-ins'].join(', ')}; on Debian: .ci/install-kubernetes-node`
}

/** Debian puts some of them where not every PATH looks. */
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }

/**
 * One real node of a control plane on this machine: containerd, a kubelet, a bridge for its pods, CoreDNS for their names,
 * and images with a shell and with Node (`images.ts`). Its processes have PID and mount namespaces of their own, so that
 * none of them outlives the first (`node.sh`); all of it ends with this process, however that ends.
 */
export async function startNode(plane: ControlPlane): Promise<RealNode> {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-node-'))
  const id = randomBytes(3).toString('hex')
  const place = {
    folder,
    bridge: `isobar-${id}`,
    cgroup: `isobar-${id}`,
    address: freeAddress(),
    port: (await namedPorts(['kubelet'])).kubelet,
  }
  for (const [name, text] of Object.entries(nodeSettings(place))) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  const machine = await startGuard([
    'env',
    `PATH=${env.PATH}`,
    join(import.meta.dirname, 'node.sh'),
    folder,
    place.bridge,
    `${place.address}/24`,
    place.cgroup,
  ])
  const node = new Node(plane, machine, place)
  try {
    await node.start()
    return node
  } catch (error) {
    await node.stop()
    throw error
  }
}

type Place = { folder: string; address: string; bridge: string }

class Node implements RealNode {
  readonly id: string
  readonly folder: string
  readonly address: string
  readonly checkpoints: string
  readonly #plane: ControlPlane
  readonly #machine: Guarded
  readonly #running = new Map<string, Guarded>()

  constructor(plane: ControlPlane, machine: Guarded, { folder, address, bridge }: Place) {
    this.id = bridge
    this.#plane = plane
    this.#machine = machine
    this.folder = folder
    this.checkpoints = join(folder, 'checkpoints')
    this.address = address
  }

  async start(): Promise<void> {
    const images = join(this.folder, 'images')
    mkdirSync(images)
    const [archive] = await Promise.all([writeImages(images), this.#startContainerd(), this.#startDns()])
    await this.#containerd('images', 'import', archive)
    await this.startKubelet()
  }

  async startKubelet(): Promise<void> {
    const argv = [
      `--config=${join(this.folder, 'kubelet.yaml')}`,
      `--kubeconfig=${join(this.#plane.folder, 'node.kubeconfig')}`,
      `--root-dir=${join(this.folder, 'kubelet')}`,
      `--cert-dir=${join(this.folder, 'certificates')}`,
      `--hostname-override=${nodeName}`,
      `--node-ip=${this.address}`,
    ]
    await this.#run('kubelet', [await planeBinary(), 'kubelet', ...argv])
    await this.#plane.waitFor('the node to be ready', async () => {
      this.#assertRuns('kubelet')
      const { status } = (await this.#plane.ask('GET', `/api/v1/nodes/${nodeName}`)) as {
        status: { conditions: { type: string; status: string }[] }
      }
      if (!status.conditions.some((one) => one.type === 'Ready' && one.status === 'True')) throw new Error('not ready')
    })
  }

  signal(program: 'kubelet' | 'containerd', signal: NodeJS.Signals): void {
    const inside = this.#running.get(program)
    for (const pid of inside ? childrenOf(inside.pid) : []) process.kill(pid, signal)
  }

  async killContainer(pod: string): Promise<void> {
    const [id = ''] = await this.#containers(`labels."io.kubernetes.pod.name"==${pod}`)
    await this.#containerd('tasks', 'kill', '--signal', 'SIGKILL', id)
  }

  async runs(namespace: string): Promise<number> {
    const ids = await this.#containers(`labels."io.kubernetes.pod.namespace"==${namespace}`)
    const tasks = (await this.#containerd('tasks', 'ls')).split('\n')
    return tasks.filter((line) => line.endsWith('RUNNING') && ids.some((id) => line.startsWith(id))).length
  }

  async stop(): Promise<void> {
    this.#machine.end()
    await this.#machine.over
    for (const one of this.#running.values()) one.end()
    await Promise.all([...this.#running.values()].map(({ over }) => over))
  }

  async #startContainerd(): Promise<void> {
    await this.#plane.waitFor('the namespaces of the node', async () => readFileSync(join(this.folder, 'is-up')))
    await this.#run('containerd', ['containerd', '--config', join(this.folder, 'containerd.toml')])
    await this.#plane.waitFor('containerd', async () => {
      this.#assertRuns('containerd')
      await this.#containerd('version')
    })
  }

  async #startDns(): Promise<void> {
    const kubeconfig = join(this.#plane.folder, 'dns.kubeconfig')
    const file = join(this.folder, 'Corefile')
    writeFileSync(
      file,
      `.:53 {\n bind ${this.address}\n errors\n kubernetes cluster.local {\n  kubeconfig ${kubeconfig}\n }\n}\n`,
    )
    this.#running.set('dns', await startGuarded([await dnsBinary(), '-conf', file], join(this.folder, 'dns.log')))
  }

  /** In the namespaces of the node. */
  async #run(name: string, command: readonly string[]): Promise<void> {
    const [first = 0] = childrenOf(this.#machine.pid)
    const enter = [
      'env',
      `PATH=${env.PATH}`,
      'nsenter',
      '--target',
      String(first),
      '--mount',
      '--pid',
      '--',
      ...command,
    ]
    this.#running.set(name, await startGuarded(enter, join(this.folder, `${name}.log`)))
  }

  #assertRuns(name: string): void {
    const { pid = 0 } = this.#running.get(name) ?? {}
    if (!existsSync(`/proc/${pid}`)) throw new Error(`${name} has ended: ${this.#logOf(name)}`)
  }

  #logOf = (name: string): string => readFileSync(join(this.folder, `${name}.log`), 'utf8').slice(-2000)

  /** Containers of ranks that a filter of containerd finds. */
  async #containers(filter: string): Promise<string[]> {
    const ranks = `${filter},labels."io.cri-containerd.kind"==container`
    return (await this.#containerd('containers', 'ls', '--quiet', ranks)).split('\n').filter((id) => id !== '')
  }

  async #containerd(...argv: string[]): Promise<string> {
    const where = ['--address', socketOf(this.folder), '--connect-timeout', '2s', '--namespace', 'k8s.io']
    return (await run('ctr', [...where, ...argv], { env, timeout: 60_000 })).stdout
  }
}

/** The first address of a network of 256 that nobody on this machine has one of. */
function freeAddress(): string {
  const taken = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address))
  for (let at = 0; at < 256; at++)
    if (!taken.some((address) => address.startsWith(`10.245.${at}.`))) return `10.245.${at}.1`
  throw new Error('all networks of 10.245.0.0/16 are taken: ip address')
}
