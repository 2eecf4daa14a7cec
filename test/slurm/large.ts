import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { startCluster } from '#rigs/slurm/cluster.ts'
import { aHouse } from '#rigs/slurm/house.ts'
import { poll } from '#rigs/slurm/site.ts'

// Arrays. A large task is a job of Slurm of its own, on nodes of its own; many small ones share the jobs of a few workers.

const cluster = await startCluster({ nodes: 4 })
after(cluster.stop)
const shared = join(cluster.folder, 'shared')

/** Lines that ranks wrote: when they began and ended, on which node, with which accelerators. */
const linesIn = (file: string): string[][] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split(' '))
    : []

const node = "$(tr '\\0' '\\n' < /proc/$PPID/environ | sed -n 's/^SLURMD_NODENAME=//p')"

test('an array of tasks that take a whole node runs each as a job of its own, side by side', async (t) => {
  const house = await aHouse(t, cluster, { exclusive: true })
  const file = join(shared, 'array.lines')
  const gate = join(shared, 'array.gate')
  const run = `echo "$ISOBAR_TASK_INDEX ${node} $CUDA_VISIBLE_DEVICES" >> ${file}; until [ -e ${gate} ]; do sleep 0.1; done`
  const spec = {
    kind: 'array',
    name: 'large',
    tasks: 6,
    parallelism: 4,
    resources: { accelerators: 'H200:8', cpus: '16+' },
    run,
  }
  const [id = ''] = await house.submit(JSON.stringify(spec))
  await poll('four run side by side', async () => linesIn(file).length === 4)
  const first = linesIn(file)
  assert.deepEqual(first.map(([, on]) => on).sort(), ['n0', 'n1', 'n2', 'n3'])
  assert.ok(
    first.every(([, , devices]) => devices === '0,1,2,3,4,5,6,7'),
    JSON.stringify(first),
  )
  const jobs = await cluster.command('squeue', '-h', '-t', 'R', '-o', '%j %D')
  assert.equal(jobs.match(/^isobar-\S+ 1$/gm)?.length, 4, jobs)
  writeFileSync(gate, '')
  await poll('all are done', async () => (await house.look(id)).state === 'succeeded')
  assert.deepEqual(
    linesIn(file)
      .map(([index]) => index)
      .sort(),
    ['0', '1', '2', '3', '4', '5'],
  )
})

test('tasks of two nodes each are jobs, and never share a node', async (t) => {
  const house = await aHouse(t, cluster, { exclusive: true })
  const file = join(shared, 'pairs.lines')
  const run = `from=$(date +%s%N); on=${node}; sleep 0.5; echo "$ISOBAR_WORKLOAD $on $from $(date +%s%N)" >> ${file}`
  const pairs = [0, 1, 2].map((index) =>
    JSON.stringify({
      kind: 'job',
      name: `pair-${index}`,
      nodes: 2,
      resources: { accelerators: 'H200:8', cpus: '16+' },
      run,
    }),
  )
  const ids = await house.submit(pairs.join('\n---\n'))
  for (const id of ids) await poll('it is done', async () => (await house.look(id)).state === 'succeeded')
  const lines = linesIn(file).map(([workload, on, from, to]) => ({
    workload,
    on,
    from: BigInt(from ?? 0),
    to: BigInt(to ?? 0),
  }))
  assert.equal(lines.length, 6)
  for (const one of lines)
    for (const other of lines) {
      const together = one.from < other.to && other.from < one.to
      assert.ok(
        one === other || one.on !== other.on || !together,
        JSON.stringify([one.workload, other.workload, one.on]),
      )
    }
})

test('an array of many small tasks is a few jobs, whose agents lease tasks in bulk: each is done once, though a worker is cancelled', async (t) => {
  const house = await aHouse(t, cluster)
  const results = join(shared, 'results')
  mkdirSync(results)
  const before = await jobsOfOurs('all')
  const spec = {
    kind: 'array',
    name: 'small',
    tasks: 200,
    parallelism: 16,
    resources: { cpus: 0.5, memory: '64MB' },
    checkpoint: { grace: '1s' },
    run: `sleep 0.2; echo $ISOBAR_ATTEMPT > ${results}/.$ISOBAR_TASK_INDEX.$ISOBAR_ATTEMPT; mv ${results}/.$ISOBAR_TASK_INDEX.$ISOBAR_ATTEMPT ${results}/$ISOBAR_TASK_INDEX`,
  }
  const [id = ''] = await house.submit(JSON.stringify(spec))
  const done = () => readdirSync(results).filter((name) => !name.startsWith('.'))
  await poll('both workers work', async () => {
    const by = new Set(done().map((index) => readFileSync(join(results, index), 'utf8')))
    return by.size === 2 && done().length >= 32
  })
  const [one = assert.fail('it has a job')] = (await jobsOfOurs('R')).toSorted()
  await cluster.command('scancel', one)
  await poll('all are done', async () => (await house.look(id)).state === 'succeeded')
  const { tasks, attemptList } = await house.look(id)
  assert.equal(attemptList.filter(({ state }: { state: string }) => state === 'lost').length, 1)
  assert.deepEqual([tasks.total, tasks.succeeded, tasks.failed], [200, 200, 0], JSON.stringify(tasks))
  assert.deepEqual(
    done()
      .map(Number)
      .sort((a, b) => a - b),
    Array.from({ length: 200 }, (_, index) => index),
  )
  const jobs = (await jobsOfOurs('all')).length - before.length
  assert.ok(jobs === 2 || jobs === 3, `${jobs} jobs for 200 tasks`)
})

async function jobsOfOurs(states: string): Promise<string[]> {
  const lines = await cluster.command('squeue', '-h', '-t', states, '-o', '%A %j')
  return [...lines.matchAll(/^(\d+) isobar-/gm)].map(([, id = '']) => id)
}
