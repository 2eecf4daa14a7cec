import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { type House, openHouse } from '#cli/demo/house.ts'
import type { Telling } from '#cli/demo/telling.ts'
import { count } from '#cli/output/words.ts'
import { leaseTag } from '#model/agent-folder.ts'
import { signal, type Tagged, taggedProcesses } from '#kit/processes.ts'
import { addAccount, addNamespace, addVolume } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { images } from '#rigs/kubernetes/images.ts'
import { type RealNode, startNode } from '#rigs/kubernetes/node.ts'
import { type Cluster, startCluster } from '#rigs/slurm/cluster.ts'

/** A cluster of real servers that is a site, and can be lost. */
export type RealSite = {
  /** As attempts name it. */
  at: string
  /** What is lost, for people. */
  name: string
  /** Ends its servers, and nothing that they started; gives what became of them. */
  lose(): Promise<string>
  /** What is there of ranks whoever knows of them, for people. */
  runsOn(): Promise<string>
  bringBack(): Promise<void>
  /** What is there of ours. */
  left(): Promise<string[]>
}

/** A control plane of Isobar's own with two clusters of real servers and this machine as its sites. */
export type Servers = House & {
  /** By which its control plane knows us. */
  token: string
  kubernetes: RealSite
  slurm: RealSite
  close(): Promise<void>
}

const namespace = 'team'

/** Starts all of it, on loopback and a bridge of its own. What was started ends in the reverse order, also if not all of it could be. */
export async function startServers({ io, tell, goOn }: Telling): Promise<Servers> {
  await using started = new AsyncDisposableStack()
  const own = async <T extends { stop(): Promise<unknown> }>(starting: Promise<T>): Promise<T> => {
    const one = await starting
    started.defer(async () => void (await one.stop()))
    goOn()
    return one
  }
  const plane = await own(startControlPlane(tell))
  // Before the node, whose containerd makes a folder that a container is to have, even one that was just removed.
  const cluster = await own(startCluster({ nodes: 2, gpus: 0 }))
  tell(`  Slurm ${cluster.version}: slurmctld, and two nodes with their slurmd`)
  const node = await own(startNode(plane))
  tell(
    '  Kubernetes 1.36: etcd, API server, controller manager, scheduler, and one node with its kubelet and containerd',
  )
  const home = join(cluster.folder, 'home')
  mkdirSync(home, { mode: 0o700 })
  const sites = JSON.stringify({ sites: await declared({ plane, cluster, home }) }) // JSON is YAML
  // Where pods reach it, too: they fetch the folder with the program.
  const token = randomBytes(32).toString('hex')
  const environment = { ISOBAR_LISTEN: `${node.address}:0`, ISOBAR_ALLOW_REMOTE: 'true', ISOBAR_TOKEN: token }
  const house = await openHouse(io, { home, sites, environment })
  started.defer(house.close)
  goOn()
  const all = started.move()
  return { ...house, token, kubernetes: podsOf(plane, node), slurm: jobsOf(cluster), close: () => all.disposeAsync() }
}

type Declaring = { plane: ControlPlane; cluster: Cluster; home: string }

/** What `sites.yaml` says of the three. */
async function declared({ plane, cluster, home }: Declaring): Promise<object[]> {
  await addNamespace(plane, namespace)
  const token = await addAccount(plane, { name: 'isobar', namespace })
  // What an attempt saves at one site must be found by the next at another: all of them share this folder.
  await addVolume(plane, { name: namespace, claim: 'checkpoints', path: join(home, 'checkpoints') })
  const kubernetes = {
    provider: 'kubernetes',
    name: 'pods',
    kubeconfig: plane.kubeconfigFor(namespace, { token }),
    namespace,
    image: images.node,
    checkpoints: 'checkpoints',
    price: '$0.001/h',
  }
  const directory = join(cluster.folder, 'shared')
  const slurm = { provider: 'slurm', name: 'jobs', partition: 'main', directory, conf: cluster.conf, price: '$0.20/h' }
  const local = { provider: 'local', name: 'here', price: '$0.30/h' }
  return [kubernetes, slurm, local].map((site) => ({ ...site, patience: '5s' }))
}

function podsOf(plane: ControlPlane, node: RealNode): RealSite {
  const kinds = ['apis/batch/v1/jobs', 'api/v1/pods', 'api/v1/services', 'api/v1/secrets']
  const listed = async (kind: string): Promise<string[]> => {
    const path = `/${kind.replace(/\w+$/, `namespaces/${namespace}/$&`)}`
    const { items } = (await plane.ask('GET', path)) as { items: { metadata: { name: string } }[] }
    return items.map(({ metadata }) => `${kind.replace(/.*\//, '')}/${metadata.name}`)
  }
  const containers = async () => count(await node.runs(namespace), 'container')
  return {
    at: 'kubernetes/pods',
    name: 'the Kubernetes cluster',
    async lose() {
      plane.signal('kube-apiserver', 'SIGKILL')
      node.signal('kubelet', 'SIGKILL')
      return 'API server and kubelet killed with SIGKILL'
    },
    runsOn: containers,
    async bringBack() {
      await plane.start('kube-apiserver')
      await node.startKubelet()
    },
    async left() {
      const running = (await node.runs(namespace)) === 0 ? [] : [await containers()]
      return [...running, ...(await Promise.all(kinds.map(listed))).flat()]
    },
  }
}

/** Nodes that hang: what runs on them stands still, and goes on once they are back, whoever took its place meanwhile. */
function jobsOf(cluster: Cluster): RealSite {
  const servers = ['slurmctld', 'slurmd.n0', 'slurmd.n1'] as const
  const stopped: Tagged[] = []
  const tokens = new Set<string>()
  const ofJobs = async () =>
    (await taggedProcesses(leaseTag)).filter(({ environment }) => tokens.has(environment.get(leaseTag) ?? ''))
  const ranks = async () => [
    ...new Set(
      (await ofJobs()).flatMap(({ environment }) => {
        const rank = environment.get('ISOBAR_RANK')
        return rank === undefined ? [] : `${rank} of ${environment.get(leaseTag)}`
      }),
    ),
  ]
  return {
    at: 'slurm/jobs',
    name: 'the Slurm cluster',
    async lose() {
      for (const name of servers) await cluster.kill(name)
      stopped.push(...(await taggedProcesses('SLURM_CONF', cluster.conf)))
      for (const token of stopped.flatMap(({ environment }) => environment.get(leaseTag) ?? [])) tokens.add(token)
      stopped.push(...(await ofJobs()))
      for (const { pid } of stopped) process.kill(pid, 'SIGSTOP')
      return 'slurmctld and every slurmd killed with SIGKILL, and what ran on their nodes stands still'
    },
    runsOn: async () => count((await ranks()).length, 'rank'),
    async bringBack() {
      for (const { pid } of stopped.splice(0)) signal(pid, 'SIGCONT')
      for (const name of servers) await cluster.start(name)
    },
    async left() {
      const jobs = (await cluster.command('squeue', '-h', '-o', 'job %i')).split('\n').filter((line) => line !== '')
      return [...jobs, ...(await ranks()).map((rank) => `rank ${rank}`)]
    },
  }
}
