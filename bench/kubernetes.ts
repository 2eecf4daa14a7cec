import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { createClient } from '#providers/kubernetes/client.ts'
import { KubernetesConfig } from '#providers/kubernetes/config.ts'
import { createKubernetes } from '#providers/kubernetes/kubernetes.ts'
import type { Outcome } from '#model/fault.ts'
import type { Provider } from '#providers/provider.ts'
import { addNamespace } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'

// What a large cluster costs who looks at it, on a real API server: nodes and pods of others, followed, and listed as it
// was before. Nobody plays the nodes; the pods are there and do nothing. The limits are those of the issue.

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '5000' },
    pods: { type: 'string', default: '50000' },
    seconds: { type: 'string', default: '60' },
    /** Looks from a process of its own, whose memory is measured: a kubeconfig, and whether it watches. */
    look: { type: 'string' },
    how: { type: 'string', default: 'follow' },
  },
})
const [nodes, pods, seconds] = [Number(values.nodes), Number(values.pods), Number(values.seconds)]

const { signal } = new AbortController()

type Looked = {
  firstMs: number
  /** Resident memory, more than before the first look: then, after it, and at the most. */
  grownMiB: number
  mostMiB: number
  cpuMs: number
  asked: number
  lists: number
  nodes: number
  taken: number
}

async function compare(): Promise<void> {
  const plane = await startControlPlane(console.error)
  try {
    await fill(plane)
    const rows: string[][] = [
      ['', 'first look', 'memory', 'at the most', 'CPU a minute', 'requests a minute', 'full lists'],
    ]
    for (const how of ['follow', 'list']) {
      const one = await lookFrom(plane, how)
      if (one.nodes !== nodes || one.taken !== pods * 100)
        throw new Error(`it sees something else: ${JSON.stringify(one)}`)
      const perMinute = (value: number) => Math.round((value * 60) / seconds)
      rows.push([
        how === 'follow' ? 'followed' : 'listed every 30 s',
        `${Math.round(one.firstMs)} ms`,
        `${Math.round(one.grownMiB)} MiB`,
        `${Math.round(one.mostMiB)} MiB`,
        `${perMinute(one.cpuMs)} ms`,
        `${perMinute(one.asked)}`,
        `${perMinute(one.lists)}`,
      ])
    }
    console.log(`\n${nodes} nodes, ${pods} pods of others, nothing changes for ${seconds} s\n`)
    for (const row of rows) console.log(`| ${row.join(' | ')} |`)
  } finally {
    await plane.stop()
  }
}

async function lookFrom(plane: ControlPlane, how: string): Promise<Looked> {
  const child = fork(import.meta.filename, ['--look', plane.kubeconfig, '--how', how, '--seconds', values.seconds], {
    execArgv: ['--expose-gc'],
  })
  const [answer] = await once(child, 'message')
  return answer as Looked // the same program sent it
}

/** A turn of `observe` asks for offers and nodes every 30 s, and what runs when it is told, or else every 6 s. */
async function look(kubeconfig: string): Promise<Looked> {
  let [asked, lists] = [0, 0]
  const counting: typeof createClient = (connect) => {
    const client = createClient(connect)
    return {
      ...client,
      ask(asking) {
        asked++
        if (/^.api.v1.(pods|nodes)\?/.test(asking.path) && !asking.path.includes('&continue=')) lists++
        return client.ask(asking)
      },
      stream(streaming) {
        asked++
        return client.stream(streaming)
      },
    }
  }
  const { sites } = KubernetesConfig.parse({ sites: [{ name: 'east', kubeconfig, namespace: 'ours' }] })
  const provider = createKubernetes({ sites, house: 'bench', clientOf: counting })
  const { inventory } = provider.abilities
  if (!inventory) throw new Error('it has one')
  globalThis.gc?.()
  const rss = process.memoryUsage.rss()
  let most = rss
  const sampling = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20)
  const began = performance.now()
  const isFollowed = values.how === 'follow'
  if (isFollowed) void keepWatching(provider)
  let found = await inventory('east', signal)
  // Its watches begin beside the first look, which lists.
  for (let seen = isFollowed ? -1 : lists; seen !== lists; found = await inventory('east', signal)) seen = lists
  const firstMs = performance.now() - began
  const [askedBefore, listsBefore, cpu] = [asked, lists, process.cpuUsage()]
  const end = performance.now() + seconds * 1000
  let offersAt = 0
  while (performance.now() < end) {
    if (performance.now() >= offersAt) {
      await provider.offers('east', signal)
      found = await inventory('east', signal)
      offersAt = performance.now() + 30_000
    }
    if (!isFollowed) await provider.list('east', signal)
    await sleep(6_000)
  }
  const { user, system } = process.cpuUsage(cpu)
  globalThis.gc?.()
  const grown = process.memoryUsage.rss() - rss
  clearInterval(sampling)
  const seen = found.ok ? found.value : []
  return {
    firstMs,
    grownMiB: grown / 2 ** 20,
    mostMiB: (most - rss) / 2 ** 20,
    cpuMs: (user + system) / 1000,
    asked: asked - askedBefore,
    lists: lists - listsBefore,
    nodes: seen.length,
    taken: seen.reduce((sum, { foreign }) => sum + (foreign?.cpuMilli ?? 0), 0),
  }
}

async function keepWatching({ abilities }: Provider): Promise<void> {
  let mark: string | null = null
  for (;;) {
    const told: Outcome<string> | undefined = await abilities.watch?.('east', mark, signal)
    if (!told?.ok) return
    mark = told.value
  }
}

async function fill(plane: ControlPlane): Promise<void> {
  for (const name of ['ours', 'theirs']) await addNamespace(plane, name)
  // What these would do with all of it is not what is measured.
  for (const name of ['kube-controller-manager', 'kube-scheduler', 'kwok'] as const) plane.signal(name, 'SIGSTOP')
  const amounts = { cpu: '192', memory: '2048Gi', pods: '110', 'nvidia.com/gpu': '8' }
  await many(nodes, (at) =>
    plane.ask('POST', '/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: `n${at}`, labels: labelsOf(at) },
      status: {
        capacity: amounts,
        allocatable: amounts,
        conditions: [
          { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' },
        ],
      },
    }),
  )
  const container = {
    name: 'main',
    image: 'registry.example/team/worker:1.2.3',
    resources: { requests: { cpu: '100m', memory: '512Mi' } },
  }
  await many(pods, (at) =>
    plane.ask('POST', '/api/v1/namespaces/theirs/pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `worker-${at}`, labels: { app: 'worker', team: `team-${at % 50}` } },
      spec: { nodeName: `n${at % nodes}`, containers: [container], automountServiceAccountToken: false },
    }),
  )
}

/** As many labels as the nodes of clouds have. */
const labelsOf = (at: number): Record<string, string> => ({
  'kubernetes.io/hostname': `n${at}`,
  'kubernetes.io/arch': 'amd64',
  'kubernetes.io/os': 'linux',
  'node.kubernetes.io/instance-type': 'p5.48xlarge',
  'topology.kubernetes.io/region': 'eu-central-1',
  'topology.kubernetes.io/zone': `eu-central-1${'abc'[at % 3]}`,
  'topology.k8s.aws/network-node-layer-1': `nn-${at >> 10}`,
  'topology.k8s.aws/network-node-layer-2': `nn-${at >> 7}`,
  'topology.k8s.aws/network-node-layer-3': `nn-${at >> 4}`,
  'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3',
  'nvidia.com/gpu.memory': '81559',
})

async function many(count: number, make: (at: number) => Promise<unknown>): Promise<void> {
  const began = performance.now()
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) await make(next++)
  }
  await Promise.all(Array.from({ length: 32 }, lane))
  console.error(`${count} made in ${Math.round((performance.now() - began) / 1000)} s`)
}

if (values.look !== undefined) process.send?.(await look(values.look), () => process.exit(0))
else await compare()
