import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { taggedProcesses } from '#kit/processes.ts'
import { addAccount, addNamespace, addVolume } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { images } from '#rigs/kubernetes/images.ts'
import { type RealNode, startNode } from '#rigs/kubernetes/node.ts'
import { type Cluster, startCluster } from '#rigs/slurm/cluster.ts'
import { commandLine, lossesOf } from '#rigs/training.ts'

// One spec, three real sites: a Kubernetes cluster, a Slurm cluster and this machine. The first two are lost while it
// trains there, come back, and must be left clean.

const namespace = 'spine'
let plane: ControlPlane
let node: RealNode
let cluster: Cluster
let home = ''
let env: NodeJS.ProcessEnv = {}

before(async () => {
  ;[plane, cluster] = await Promise.all([startControlPlane(console.error), startCluster({ nodes: 2, gpus: 0 })])
  node = await startNode(plane)
  home = join(cluster.folder, 'home')
  mkdirSync(home, { mode: 0o700 })
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
  const sites = [kubernetes, slurm, local].map((site) => ({ ...site, patience: '5s' }))
  writeFileSync(join(home, 'sites.yaml'), JSON.stringify({ sites })) // JSON is YAML
  env = {
    ...process.env,
    ISOBAR_HOME: home,
    // Where pods reach it, too: they fetch the folder with the program.
    ISOBAR_LISTEN: `${node.address}:0`,
    ISOBAR_ALLOW_REMOTE: 'true',
    ISOBAR_TOKEN: randomBytes(32).toString('hex'),
  }
})
after(async () => {
  await isobar('server', 'stop')
  await Promise.all([node.stop().then(() => plane.stop()), cluster.stop()])
})

async function isobar(...argv: string[]): Promise<string> {
  const { code, out, err } = await commandLine(env)(...argv)
  assert.equal(code, 0, `isobar ${argv.join(' ')}: ${out}${err}`)
  return out
}

// A controller manager that lost its API server takes a minute to clear up again.
const patienceMs = 180_000

async function until<T>(what: string, look: () => Promise<T | null | undefined | false>): Promise<T> {
  for (const deadline = performance.now() + patienceMs; ; await pause(250)) {
    const found = await look()
    if (found) return found
    if (performance.now() > deadline)
      assert.fail(
        `waited ${patienceMs / 1000} s in vain until ${what}:\n${await isobar('describe', 'train')}${await isobar('sites')}${(await isobar('logs', 'train')).slice(-500)}`,
      )
  }
}

type Attempt = { number: number; state: string; site: string }
const attempts = async (): Promise<Attempt[]> => {
  const { attemptList } = JSON.parse(await isobar('describe', 'train', '-o', 'json')) as { attemptList: Attempt[] }
  return attemptList.toSorted((one, other) => one.number - other.number)
}

const savedStep = (out: string): number => Number([...out.matchAll(/saved step (\d+)/g)].at(-1)?.[1] ?? 0)

/** Waits until the last attempt runs at that site and has saved more than that. */
const savesAt = (site: string, most: number): Promise<number> =>
  until(`it saves at ${site}`, async () => {
    const last = (await attempts()).at(-1)
    if (last?.site !== site || last.state !== 'running') return false
    const saved = savedStep(await isobar('logs', 'train'))
    return saved > most && saved
  })

test('one spec trains on through the loss of a Kubernetes and of a Slurm cluster, and both are left clean', async () => {
  const work = join(cluster.folder, 'work')
  cpSync('examples/train', work, { recursive: true })
  const spec = (name: string, more: string): string => {
    const file = join(work, `${name}.yaml`)
    writeFileSync(
      file,
      `kind: job
name: ${name}
nodes: 2
resources: { cpus: 0.5, memory: 256MB }
workdir: .
run: PATH=${dirname(process.execPath)}:$PATH exec node train.ts
env: { STEPS: 1000, SAVE_EVERY: 20 }
checkpoint: { grace: 5s }
${more}`,
    )
    return file
  }
  await isobar('run', '--detach', '--yes', spec('train', ''))

  const onPods = await savesAt('kubernetes/pods', 0)
  plane.signal('kube-apiserver', 'SIGKILL')
  node.signal('kubelet', 'SIGKILL')
  const onJobs = await savesAt('slurm/jobs', onPods)
  assert.ok((await node.runs(namespace)) > 0, 'nobody is there who could end what runs in pods')

  for (const name of ['slurmctld', 'slurmd.n0', 'slurmd.n1'] as const) await cluster.kill(name)
  for (const { pid } of await taggedProcesses('SLURM_CONF', cluster.conf)) process.kill(pid, 'SIGKILL')
  await savesAt('local/here', onJobs)

  await plane.start('kube-apiserver')
  await node.startKubelet()
  for (const name of ['munged', 'slurmctld', 'slurmd.n0', 'slurmd.n1'] as const) await cluster.start(name)
  await isobar('wait', 'train', '--exit-code', 'remote', '--timeout', '3m')
  assert.deepEqual(
    (await attempts()).map(({ site, state }) => [site, state]),
    [
      ['kubernetes/pods', 'lost'],
      ['slurm/jobs', 'lost'],
      ['local/here', 'succeeded'],
    ],
  )
  await until('the pods are gone', async () => (await node.runs(namespace)) === 0)
  await until('no job is left', async () => (await cluster.command('squeue', '-h', '-o', '%i')) === '')
  for (const kind of ['apis/batch/v1 jobs', 'api/v1 pods', 'api/v1 services', 'api/v1 secrets']) {
    const path = `/${kind.replace(' ', `/namespaces/${namespace}/`)}`
    await until(
      `${path} is empty`,
      async () => ((await plane.ask('GET', path)) as { items: object[] }).items.length === 0,
    )
  }

  // What three sites computed one after the other is what one computes alone.
  await isobar('run', '--yes', spec('alone', 'placement: { sites: [local/here] }\n'))
  const [there, alone] = [lossesOf(await isobar('logs', 'train')), lossesOf(await isobar('logs', 'alone'))]
  assert.ok(there.length > 100 && there.length < alone.length)
  assert.deepEqual(there, alone.slice(-there.length))
})
