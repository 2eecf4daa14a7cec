import assert from 'node:assert/strict'
import { test } from 'node:test'

import { armadaRound } from '#bench/cell/armada.ts'
import { churn, gpuPlan, growth, mixes } from '#bench/cell/gpus.ts'
import { kubernetes } from '#bench/cell/kubernetes.ts'
import { preempting } from '#bench/cell/preempting.ts'
import { churnInLine } from '#bench/cell/queue.ts'
import { sets } from '#bench/cell/sets.ts'
import { mixedCores, oneCore, placeTasks } from '#bench/cell/tasks.ts'
import { boundSeconds } from '#bench/kueue/configurations.ts'
import { playDurably } from '#bench/kueue/live.ts'
import { decideDurably } from '#bench/slurm/durable.ts'
import { decideAlone, decideQueued, planOf, type Jobs } from '#bench/slurm/memory.ts'
import { jobOf } from '#simulator/traces/job.ts'
import { aProject, aSite } from '#test/builders.ts'

/** The benches of the engine with a thousandth of their work: they run, and place what they are to place. */

test('gangs and tasks are churned on nearly full nodes, with reasons and a checker that finds nothing', () => {
  for (const mix of mixes(32)) {
    const row = churn(gpuPlan(2000), mix, { decisions: 500, target: 900, seed: 's', reasons: true, checker: true })
    assert.ok(Number(row['used %']) > 80, `${mix.name}: ${row['used %']} % used`)
  }
  for (const kind of [oneCore, mixedCores]) {
    const { row } = placeTasks(kind, { nodes: 200, churned: 200, checker: true })
    assert.ok(row.live > 0 && row.refused === 0)
  }
  assert.equal(growth([1000, 3000], 200).length, 2)
})

test('a queue over nearly full nodes keeps them full, and its checker finds nothing', () => {
  const [mix] = mixes(8)
  assert.ok(mix)
  const row = churnInLine({ plan: gpuPlan(2000), mix, projects: 3, waiting: 30, checker: true, ends: 200 })
  assert.ok(Number(row['used %']) > 80, `${row['used %']} % used`)
  const { placed, ...round } = armadaRound({ nodes: 5, queues: 4, jobs: 400 })
  assert.equal(placed, 160)
  assert.equal(round['fewest and most of a queue'], '40, 40')
})

test('the work of others is placed', () => {
  const rows = [...kubernetes(0.001), ...sets(0.001)]
  const never = rows.filter(({ ranks }) => ranks === 0).map(({ work }) => work)
  assert.deepEqual(never, ['KAI scale: a gang of 513 nodes is told that it can never fit'])
})

test('work of higher priority makes others leave', () => {
  const [one] = preempting(0.01)
  assert.deepEqual([one?.started, one?.victims], [1, 1])
})

test('the jobs that Slurm is given are placed alone, through the queue and through the store', async () => {
  const jobs: Jobs = [
    [3, 1],
    [2, 8],
    [1, 64],
  ]
  const tree = { nodes: 128, fanOut: 8 }
  assert.equal(decideAlone(jobs, planOf(tree)).placed, 6)
  assert.equal(decideQueued(jobs, planOf(tree)).placed, 6)
  assert.equal((await decideDurably([1, 1, 1, 8, 8, 64], tree)).placed, 6)
})

test('the work of a queue is played in real time through the store, those of a cohort borrowing of each other', async () => {
  const terms = { parent: 'cohort', quota: { cpuMilli: 4000 }, borrowing: { cpuMilli: 4000 } }
  const projects = [aProject({ name: 'cohort' }), ...['a', 'b'].map((name) => aProject({ ...terms, name }))]
  const like = { amount: 4000, unit: 'cpu', ranks: 1, durationMs: 50, project: 'a' } as const
  const jobs = ['large-1', 'large-2', 'small-1'].map((id) =>
    jobOf({ ...like, id, kind: id.split('-')[0] ?? '', arrivalMs: id === 'small-1' ? 30 : 0 }),
  )
  const played = await playDurably({ jobs, projects, site: aSite({ offers: [{ cpus: 96 }] }) })
  assert.deepEqual([played.commits, played.waits.get('large')?.length, played.waits.get('small')?.length], [3, 2, 1])
  assert.ok(played.wallMs >= boundSeconds(jobs, projects) * 1000)
})
