import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { addAccount, addNamespace } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { images } from '#rigs/kubernetes/images.ts'
import { type RealNode, startNode } from '#rigs/kubernetes/node.ts'
import { keptIn, keyFile, type ObjectStore, startObjectStore } from '#rigs/object-store.ts'
import { commandLine, lossesOf } from '#rigs/training.ts'

// A Kubernetes cluster and this machine, which share nothing but a bucket: real pods, a real server of S3.

const namespace = 'kept'
let plane: ControlPlane
let node: RealNode
let store: ObjectStore
let scratch = ''
let env: NodeJS.ProcessEnv = {}

before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'isobar-failover-'))
  plane = await startControlPlane(console.error)
  node = await startNode(plane)
  store = await startObjectStore({ address: node.address })
  await store.addBucket('models')
  await addNamespace(plane, namespace)
  const token = await addAccount(plane, { name: 'isobar', namespace })
  const home = join(scratch, 'home')
  mkdirSync(home, { mode: 0o700 })
  const kept = keptIn(store, 'models/teams/vision')
  const pods = {
    provider: 'kubernetes',
    name: 'pods',
    kubeconfig: plane.kubeconfigFor(namespace, { token }),
    namespace,
    image: images.node,
    checkpointsImage: images.node,
    price: '$0.001/h',
  }
  const here = { provider: 'local', name: 'here', price: '$0.30/h' }
  writeFileSync(join(home, 'sites.yaml'), JSON.stringify({ sites: [pods, here].map((site) => ({ ...site, ...kept })) }))
  env = {
    ...process.env,
    ISOBAR_HOME: home,
    // Where pods reach it, too: they fetch the folder with the program.
    ISOBAR_LISTEN: `${node.address}:0`,
    ISOBAR_ALLOW_REMOTE: 'true',
    ISOBAR_TOKEN: randomBytes(32).toString('hex'),
  }
  await useKeys(store.keys)
})
async function useKeys(keys: Record<string, string>): Promise<void> {
  const file = join(scratch, 'keys')
  writeFileSync(file, keyFile(keys))
  await isobar('secret', 'set', 'MODELS', '--file', file)
}
after(async () => {
  await commandLine(env)('server', 'stop')
  await store?.stop()
  await node?.stop()
  await plane?.stop()
  rmSync(scratch, { recursive: true, force: true })
})

async function isobar(...argv: string[]): Promise<string> {
  const { code, out, err } = await commandLine(env)(...argv)
  assert.equal(code, 0, `isobar ${argv.join(' ')}: ${out}${err}`)
  return out
}

const patienceMs = 180_000
async function until<T>(what: string, name: string, look: () => Promise<T | null | undefined | false>): Promise<T> {
  for (const deadline = performance.now() + patienceMs; ; await pause(250)) {
    const found = await look()
    if (found) return found
    if (performance.now() > deadline)
      assert.fail(
        `waited in vain until ${what}:\n${await isobar('describe', name)}${(await isobar('logs', name)).slice(-800)}\n${inBucket().join('\n')}`,
      )
  }
}

type Attempt = { number: number; state: string; site: string }
const detail = async (name: string): Promise<{ id: string; state: string; attemptList: Attempt[] }> =>
  JSON.parse(await isobar('describe', name, '-o', 'json'))
const inBucket = (): string[] =>
  globSync('**', { cwd: join(store.folder, 'models') }).filter((path) =>
    statSync(join(store.folder, 'models', path)).isFile(),
  )
const ask = (path: string) => plane.ask('GET', path) as Promise<{ items: { metadata: { name: string } }[] }>

/** Starts a spec from a folder with the example in it. */
async function start(name: string, more: string): Promise<void> {
  const work = join(scratch, name)
  cpSync('examples/train', work, { recursive: true })
  const file = join(work, 'spec.yaml')
  writeFileSync(
    file,
    `kind: job
name: ${name}
resources: { cpus: 0.5, memory: 256MB }
workdir: .
${more}`,
  )
  await isobar('run', '--detach', '--yes', file)
}
const train = `nodes: 2
run: PATH=${dirname(process.execPath)}:$PATH exec node train.ts
env: { STEPS: 1600, SAVE_EVERY: 50 }
checkpoint: { grace: 20s }
`

test('a pod that is told to stop has saved when it has ended, and the next attempt goes on in a pod', async () => {
  await start(
    'again',
    `image: ${images.busybox}
placement: { sites: [kubernetes/pods] }
checkpoint: { grace: 30s }
retry: { onExit: [7], times: 1 }
run: |
  [ -n "\${ISOBAR_RESUME_DIR:-}" ] && { echo "goes on from $(cat $ISOBAR_RESUME_DIR/state)"; echo done > $ISOBAR_CHECKPOINT_DIR/state; exit 0; }
  env | grep AWS_; grep -r '${store?.keys.AWS_SECRET_ACCESS_KEY ?? 'nothing'}' /isobar && echo LEAK
  echo "what attempt $ISOBAR_ATTEMPT saved" > $ISOBAR_CHECKPOINT_DIR/state
  exit 7
`,
  )
  await isobar('wait', 'again', '--exit-code', 'remote', '--timeout', '3m')
  const said = await isobar('logs', 'again')
  assert.match(said, /goes on from what attempt 1 saved/)
  assert.doesNotMatch(said, /LEAK|AWS_/)
  const { id } = await detail('again')
  const last = inBucket().filter((path) => path.includes(`${id}/2/files/`) && path.endsWith('/state'))
  assert.deepEqual(
    last.map((path) => readFileSync(join(store.folder, 'models', path), 'utf8')),
    ['done\n'],
  )

  await start(
    'stopped',
    `image: ${images.busybox}
placement: { sites: [kubernetes/pods] }
checkpoint: { grace: 30s }
run: |
  trap 'echo at the end > $ISOBAR_CHECKPOINT_DIR/state; exit 0' TERM
  echo up; sleep 600 & wait
`,
  )
  await until('it is up', 'stopped', async () => (await isobar('logs', 'stopped')).includes('up'))
  await isobar('stop', 'stopped', '--wait')
  const { id: stopped } = await detail('stopped')
  const states = inBucket().filter((path) => path.includes(`${stopped}/1/files/`))
  assert.deepEqual(
    states.map((path) => readFileSync(join(store.folder, 'models', path), 'utf8')),
    ['at the end\n'],
  )
  assert.ok(inBucket().some((path) => path.includes(`${stopped}/1/complete/`)))
})

test('a store that does not take the keys fails the rank, which says why and what mends it', async () => {
  await useKeys({ ...store.keys, AWS_SECRET_ACCESS_KEY: 'wrong' })
  await start('denied', `image: ${images.busybox}\nplacement: { sites: [kubernetes/pods] }\nrun: echo never\n`)
  await until('it has ended', 'denied', async () => (await detail('denied')).state === 'failed')
  const said = await isobar('logs', 'denied')
  assert.match(said, /could not be started: http.* does not know the keys .*\nset the secret of the store again/)
  assert.doesNotMatch(said, /never/)
  await useKeys(store.keys)
})

test('a gang in pods saves in a bucket, loses its cluster, and trains on at another site that shares nothing with it', async () => {
  await start('train', train)
  const { id } = await detail('train')
  await until('a checkpoint is whole', 'train', async () =>
    inBucket().some((path) => path.includes(`${id}/1/complete/`)),
  )
  const pods = await ask(`/api/v1/namespaces/${namespace}/pods`)
  assert.ok(!JSON.stringify(pods).includes(store.keys.AWS_SECRET_ACCESS_KEY), 'the keys stand in a pod')
  plane.signal('kube-apiserver', 'SIGKILL')
  node.signal('kubelet', 'SIGKILL')
  await until('it runs here', 'train', async () => {
    const last = (await detail('train')).attemptList.find(({ number }) => number === 2)
    return last?.site === 'local/here' && last.state === 'running'
  })
  await plane.start('kube-apiserver')
  await node.startKubelet()
  await isobar('wait', 'train', '--exit-code', 'remote', '--timeout', '3m')
  const { attemptList } = await detail('train')
  assert.deepEqual(
    attemptList.toSorted((one, other) => one.number - other.number).map(({ site, state }) => [site, state]),
    [
      ['kubernetes/pods', 'lost'],
      ['local/here', 'succeeded'],
    ],
  )
  const there = await isobar('logs', 'train', '--rank', '0')
  assert.match(there, /resumed from step [1-9]/)
  await start('alone', `${train}placement: { sites: [local/here] }\n`)
  await isobar('wait', 'alone', '--exit-code', 'remote', '--timeout', '3m')
  const [resumed, alone] = [lossesOf(there), lossesOf(await isobar('logs', 'alone', '--rank', '0'))]
  assert.ok(resumed.length > 10 && resumed.length < alone.length)
  assert.deepEqual(resumed, alone.slice(-resumed.length))
  for (const kind of ['apis/batch/v1 jobs', 'api/v1 pods', 'api/v1 services', 'api/v1 secrets']) {
    const path = `/${kind.replace(' ', `/namespaces/${namespace}/`)}`
    await until(`${path} is empty`, 'train', async () => (await ask(path)).items.length === 0)
  }
})
