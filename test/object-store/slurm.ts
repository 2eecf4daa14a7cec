import assert from 'node:assert/strict'
import { globSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { taggedProcesses } from '#kit/processes.ts'
import { keptIn, keyFile, type ObjectStore, startObjectStore } from '#rigs/object-store.ts'
import { type Cluster, startCluster } from '#rigs/slurm/cluster.ts'
import { commandLine } from '#rigs/training.ts'

// A Slurm cluster and this machine, which share nothing but a bucket.

let cluster: Cluster
let store: ObjectStore
let env: NodeJS.ProcessEnv = {}

before(async () => {
  ;[cluster, store] = await Promise.all([startCluster({ nodes: 2, gpus: 0 }), startObjectStore()])
  await store.addBucket('models')
  const home = join(cluster.folder, 'home')
  mkdirSync(home, { mode: 0o700 })
  const kept = keptIn(store, 'models/teams/vision')
  const directory = join(cluster.folder, 'shared')
  const jobs = { provider: 'slurm', name: 'jobs', partition: 'main', directory, conf: cluster.conf, price: '$0.01/h' }
  const here = { provider: 'local', name: 'here', price: '$0.30/h' }
  writeFileSync(join(home, 'sites.yaml'), JSON.stringify({ sites: [jobs, here].map((site) => ({ ...site, ...kept })) }))
  env = { ...process.env, ISOBAR_HOME: home, ISOBAR_PORT: '0' }
  const keys = join(cluster.folder, 'keys')
  writeFileSync(keys, keyFile(store.keys))
  await isobar('secret', 'set', 'MODELS', '--file', keys)
})
after(async () => {
  await commandLine(env)('server', 'stop')
  await store.stop()
  await cluster.stop()
})

async function isobar(...argv: string[]): Promise<string> {
  const { code, out, err } = await commandLine(env)(...argv)
  assert.equal(code, 0, `isobar ${argv.join(' ')}: ${out}${err}`)
  return out
}

const isWhole = () => globSync('models/teams/vision/default/*/1/complete/*', { cwd: store.folder }).length > 0

test('a gang in a Slurm job saves in a bucket, loses its cluster, and goes on at this machine', async () => {
  const file = join(cluster.folder, 'spec.yaml')
  writeFileSync(
    file,
    `kind: job
name: kept
nodes: 2
resources: { cpus: 0.5, memory: 64MB }
checkpoint: { grace: 10s }
run: |
  if [ -n "\${ISOBAR_RESUME_DIR:-}" ]; then cat $ISOBAR_RESUME_DIR/rank-*; exit 0; fi
  echo "saved by attempt $ISOBAR_ATTEMPT, rank $ISOBAR_RANK" > $ISOBAR_CHECKPOINT_DIR/rank-$ISOBAR_RANK
  sleep 600
`,
  )
  await isobar('run', '--detach', '--yes', file)
  for (const end = performance.now() + 120_000; !isWhole(); await pause(100))
    assert.ok(performance.now() < end, `nothing is whole: ${await isobar('describe', 'kept')}`)
  for (const name of ['slurmctld', 'slurmd.n0', 'slurmd.n1'] as const) await cluster.kill(name)
  for (const { pid } of await taggedProcesses('SLURM_CONF', cluster.conf)) process.kill(pid, 'SIGKILL')
  await isobar('wait', 'kept', '--exit-code', 'remote', '--timeout', '3m')
  const { attemptList } = JSON.parse(await isobar('describe', 'kept', '-o', 'json')) as {
    attemptList: { number: number; site: string; state: string }[]
  }
  assert.deepEqual(
    attemptList.toSorted((one, other) => one.number - other.number).map(({ site, state }) => [site, state]),
    [
      ['slurm/jobs', 'lost'],
      ['local/here', 'succeeded'],
    ],
  )
  assert.match(await isobar('logs', 'kept', '--rank', '1'), /saved by attempt 1, rank 0\nsaved by attempt 1, rank 1\n/)
})
