import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { taggedProcesses } from '#kit/processes.ts'
import { type Cluster, startCluster } from '#rigs/slurm/cluster.ts'

const states = (cluster: Cluster): Promise<string> => cluster.command('squeue', '-h', '-t', 'all', '-o', '%T')

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 90_000; !(await condition()); await pause(50))
    assert.ok(performance.now() < deadline, `waited 30 s in vain until ${what}`)
}

test('two clusters stand side by side, and each runs a job on all its nodes', async (t) => {
  const clusters = await Promise.all([startCluster({ nodes: 2 }), startCluster({ nodes: 2, gpus: 0 })])
  t.after(() => Promise.all(clusters.map((cluster) => cluster.stop())))
  for (const cluster of clusters) {
    await cluster.command('sbatch', '-N2', '--chdir=/', '--output=/dev/null', '--wrap=srun true')
    await until('its job has ended', async () => (await states(cluster)) === 'COMPLETED\n')
  }
})

test('a cluster answers over HTTP to who has a token that holds, and to nobody else', async (t) => {
  const cluster = await startCluster({ nodes: 1 })
  t.after(cluster.stop)
  const asked = async (token: string, path: string) =>
    fetch(`${cluster.rest}${path}`, { headers: { 'x-slurm-user-name': cluster.user, 'x-slurm-user-token': token } })
  const { paths } = (await (await asked(cluster.token(), '/openapi/v3')).json()) as { paths: object }
  const path = Object.keys(paths).find((one) => /^\/slurm\/v[\d.]+\/nodes\/?$/.test(one)) ?? assert.fail()
  assert.equal((await asked(cluster.token(), path)).status, 200)
  assert.ok((await asked(cluster.token(-5), path)).status >= 500)
})

test('a controller that is killed and started again knows the jobs that it wrote down', async (t) => {
  const cluster = await startCluster({ nodes: 1 })
  t.after(cluster.stop)
  await cluster.command('sbatch', '--hold', '--chdir=/', '--output=/dev/null', '--wrap=true')
  await pause(7000) // it writes its state every 5 s
  await cluster.kill('slurmctld')
  await cluster.start('slurmctld')
  assert.equal(await states(cluster), 'PENDING\n')
})

test('a cluster that is stopped leaves no process and no file, whatever runs in it', async () => {
  const cluster = await startCluster({ nodes: 1 })
  await cluster.command('sbatch', '--chdir=/', '--output=/dev/null', '--wrap=srun sleep 1000')
  await until('the job runs', async () => (await states(cluster)) === 'RUNNING\n')
  assert.ok(holders(cluster.folder).length > 0)
  await cluster.stop()
  assert.deepEqual([await taggedProcesses('SLURM_CONF', cluster.conf), existsSync(cluster.folder)], [[], false])
  assert.deepEqual(holders(cluster.folder), [])
})

/** Who has files of a folder open, as text. */
const holders = (folder: string): string[] =>
  spawnSync('sh', ['-c', 'find /proc/[0-9]*/fd -lname "$0/*" 2>/dev/null', folder], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((line) => line !== '')
