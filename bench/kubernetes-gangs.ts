import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import type { Outcome } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import { createClient } from '#providers/kubernetes/client.ts'
import { KubernetesConfig } from '#providers/kubernetes/config.ts'
import { createKubernetes } from '#providers/kubernetes/kubernetes.ts'
import type { Provider } from '#providers/provider.ts'
import { addNamespace, addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { idle } from '#rigs/kubernetes/site.ts'

// Large gangs of ours on a real API server, whose nodes KWOK plays: from the launch of one until all its ranks are seen to
// run, beside a plain Indexed Job of as many pods with no wish where they run, which is what the cluster itself can do; and
// what many of them cost while nothing changes.

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    /** Ranks of a gang. */
    ranks: { type: 'string', default: '1000' },
    gangs: { type: 'string', default: '1' },
    /** Ranks of a gang on each of its nodes, which have eight accelerators. */
    each: { type: 'string', default: '1' },
    /** For how long nothing changes. */
    seconds: { type: 'string', default: '60' },
    /** After how many seconds nobody waits any longer for what does not run. */
    limit: { type: 'string', default: '600' },
    /** Launches from a process of its own, whose memory is measured: a kubeconfig. */
    launch: { type: 'string' },
  },
})
const [nodes, ranks] = [Number(values.nodes), Number(values.ranks)]
const [gangs, each] = [Number(values.gangs), Number(values.each)]
const [seconds, limitMs] = [Number(values.seconds), Number(values.limit) * 1000]

const { signal } = new AbortController()

/** How many pods run, and after how long. */
type Up = { count: number; ms: number }

type Launched = {
  /** The call alone, and until its ranks were seen to run: of the first gang. */
  calledMs: number
  first: Up
  all: Up
  /** Of a time in which nothing changes. */
  cpuMs: number
  asked: number
  /** Resident memory, more than before the first launch: then, and at the most. */
  grownMiB: number
  mostMiB: number
}

async function compare(): Promise<void> {
  const plane = await startControlPlane(console.error, { crowded: true })
  try {
    for (const name of ['ours', 'plain']) await addNamespace(plane, name)
    await fill(plane)
    const plain = await plainJob(plane)
    const plainBytes = await podBytes(plane, 'plain')
    await plane.ask('DELETE', '/apis/batch/v1/namespaces/plain/jobs/plain?propagationPolicy=Background')
    for (let left = 1; left > 0; await sleep(1000)) left = (await podsOf(plane, 'plain', 1)).length
    const ours = await launchedFrom(plane)
    const perMinute = (value: number) => Math.round((value * 60) / seconds)
    const rows: [string, string][] = [
      [`a plain Indexed Job of ${ranks} pods`, told(plain, ranks)],
      [`a gang of ${ranks} ranks on the nodes that were chosen`, told(ours.first, ranks)],
      ['the call that launched it', `${Math.round(ours.calledMs)} ms`],
      ['one of its pods as an object, beside a plain one', `${await podBytes(plane, 'ours')} of ${plainBytes} bytes`],
      [`${gangs} such gangs`, told(ours.all, gangs * ranks)],
      ['then nothing changes: processor time of ours a minute', `${perMinute(ours.cpuMs)} ms`],
      ['requests of ours a minute', `${perMinute(ours.asked)}`],
      ['memory of ours for them, and at the most', `${Math.round(ours.grownMiB)} MiB, ${Math.round(ours.mostMiB)}`],
    ]
    console.log(`\n${nodes} nodes\n`)
    for (const row of rows) console.log(`| ${row.join(' | ')} |`)
  } finally {
    await plane.stop()
  }
}

const told = ({ count, ms }: Up, of: number): string =>
  count < of ? `${count} of ${of} ran after ${(ms / 1000).toFixed(1)} s` : `all run after ${(ms / 1000).toFixed(1)} s`

async function launchedFrom(plane: ControlPlane): Promise<Launched> {
  const argv = Object.entries(values).flatMap(([name, value]) => [`--${name}`, value])
  const child = fork(import.meta.filename, ['--launch', plane.kubeconfig, ...argv], { execArgv: ['--expose-gc'] })
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('it ended without a word')))
  const [answer] = (await Promise.race([once(child, 'message'), ended])) as unknown[]
  return answer as Launched // the same program sent it
}

async function fill(plane: ControlPlane): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < nodes) await addNodes(plane, [{ name: `n${next++}`, has: { 'nvidia.com/gpu': '8' } }])
  }
  await Promise.all(Array.from({ length: 32 }, lane))
  for (let ready = 0; ready < nodes; await sleep(1000)) {
    const { items } = (await plane.ask('GET', '/api/v1/nodes?resourceVersion=0')) as { items: NodeSeen[] }
    ready = items.filter(({ spec, status }) => status.phase === 'Running' && !spec.taints?.length).length
  }
}

type NodeSeen = { spec: { taints?: unknown[] }; status: { phase?: string } }

async function podsOf(plane: ControlPlane, namespace: string, most: number): Promise<unknown[]> {
  const { items } = (await plane.ask('GET', `/api/v1/namespaces/${namespace}/pods?limit=${most}`)) as {
    items: unknown[]
  }
  return items
}

const podBytes = async (plane: ControlPlane, namespace: string): Promise<number> =>
  JSON.stringify((await podsOf(plane, namespace, 1))[0] ?? '').length

/** What the cluster itself takes for as many pods. */
async function plainJob(plane: ControlPlane): Promise<Up> {
  const container = { name: 'rank', image: 'rig', resources: { requests: { cpu: '100m', memory: '64Mi' } } }
  const template = { spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [container] } }
  const began = performance.now()
  await plane.ask('POST', '/apis/batch/v1/namespaces/plain/jobs', {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'plain' },
    spec: { completionMode: 'Indexed', completions: ranks, parallelism: ranks, template },
  })
  return untilUp(ranks, began, async () => {
    await sleep(100)
    const job = await plane.ask('GET', '/apis/batch/v1/namespaces/plain/jobs/plain')
    return (job as { status: { ready?: number } }).status.ready ?? 0
  })
}

/** Looks again and again until so many run. */
async function untilUp(count: number, began: number, look: () => Promise<number>): Promise<Up> {
  for (let toldAt = 0; ;) {
    const up = await look()
    const ms = performance.now() - began
    if (up >= count || ms > limitMs) return { count: up, ms }
    if (ms < toldAt + 10_000) continue
    console.error(`${up} of ${count} run after ${Math.round(ms / 1000)} s`)
    toldAt = ms
  }
}

async function launchFrom(kubeconfig: string): Promise<Launched> {
  let asked = 0
  const counting: typeof createClient = (connect) => {
    const client = createClient(connect)
    return {
      ...client,
      ask: (asking) => (asked++, client.ask(asking)),
      stream: (streaming) => (asked++, client.stream(streaming)),
    }
  }
  const { sites } = KubernetesConfig.parse({ sites: [{ name: 'east', kubeconfig, namespace: 'ours', image: 'rig' }] })
  const provider = createKubernetes({ sites, house: 'bench', clientOf: counting })
  globalThis.gc?.()
  const rss = process.memoryUsage.rss()
  let most = rss
  setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20).unref()
  const news = watching(provider)
  let up = 0
  // A server that is busy refuses a list now and then, and is asked anew, as the house does.
  const look = async (): Promise<number> => {
    await news.next()
    const listed = await provider.list('east', signal)
    if (listed.ok) up = listed.value.flatMap((one) => one.ranks.filter(({ state }) => state === 'running')).length
    else console.error(listed.fault.detail)
    return up
  }
  const began = performance.now()
  await launch(provider, 0)
  const calledMs = performance.now() - began
  const first = await untilUp(ranks, began, look)
  for (let at = 1; at < gangs; at++) await launch(provider, at)
  const all = await untilUp(gangs * ranks, began, look)
  await sleep(10_000)
  const [askedBefore, cpu] = [asked, process.cpuUsage()]
  // A turn of `observe` looks when it is told of news, and every minute.
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await provider.list('east', signal))
    await sleep(Math.min(60_000, end - performance.now()))
  const { user, system } = process.cpuUsage(cpu)
  globalThis.gc?.()
  const [grownMiB, mostMiB] = [process.memoryUsage.rss() - rss, most - rss].map((bytes) => bytes / 2 ** 20)
  const grown = { grownMiB: grownMiB ?? 0, mostMiB: mostMiB ?? 0 }
  return { calledMs, first, all, cpuMs: (user + system) / 1000, asked: asked - askedBefore, ...grown }
}

async function launch(provider: Provider, at: number): Promise<void> {
  for (const until = performance.now() + 60_000; ; await sleep(1_000)) {
    const launched = await provider.launch(gangAt(at), signal)
    if (launched.ok) return
    if (performance.now() > until) throw new Error(launched.fault.detail)
    console.error(launched.fault.detail)
  }
}

function watching({ abilities }: Provider) {
  let some = Promise.withResolvers<void>()
  void (async () => {
    for (let mark: string | null = null; ; await sleep(1_000)) {
      const answer: Outcome<string> | undefined = await abilities.watch?.('east', mark, signal)
      if (!answer?.ok) {
        console.error(answer ? answer.fault.detail : 'it has no watch')
        continue
      }
      mark = answer.value
      some.resolve()
      some = Promise.withResolvers()
    }
  })()
  return { next: () => Promise.race([some.promise, sleep(6_000)]) }
}

const shape = {
  name: 'part',
  accelerators: Math.floor(8 / each),
  acceleratorMemoryMiB: 0,
  cpuMilli: 100,
  memoryMiB: 64,
  diskMiB: 0,
}
const nodeOf = (seat: number): string => `n${Math.floor(seat / each) % nodes}`

const gangAt = (at: number): CredentialedOrder => ({
  token: `l-${at}`,
  workload: `w-${at}`,
  attempt: 1,
  site: 'east',
  tier: 'on-demand',
  ranks: Array.from({ length: ranks }, (_, rank) => ({ rank, node: nodeOf(at * ranks + rank), shape })),
  graceMs: 1_000,
  controlPlanes: [],
  credential: 'bench',
  programs: Array.from({ length: ranks }, () => idle),
})

if (values.launch !== undefined) process.send?.(await launchFrom(values.launch), () => process.exit(0))
else await compare()
