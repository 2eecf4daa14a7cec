import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { startCluster } from '#rigs/slurm/cluster.ts'
import { aHouse } from '#rigs/slurm/house.ts'
import { poll } from '#rigs/slurm/site.ts'

// Few large tasks: each is a job of Slurm of its own, on nodes of its own.

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
