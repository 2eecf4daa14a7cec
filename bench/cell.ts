import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { armadaRound } from './cell/armada.ts'
import { churn, gpuPlan, growth, mixes } from './cell/gpus.ts'
import { kubernetes } from './cell/kubernetes.ts'
import { preempting } from './cell/preempting.ts'
import { churnInLine } from './cell/queue.ts'
import { sets } from './cell/sets.ts'
import { mixedCores, oneCore, placeTasks } from './cell/tasks.ts'

/**
 * The core of the engine alone: decisions in memory on one core, each with its release, without queue, policy, store or
 * network. Published figures beside them are of whole systems; theirs include API servers and binding, ours do not.
 *
 *     node bench/cell.ts            all parts, each in a process of its own
 *     node bench/cell.ts together   one part: together, checked, queue, growth, sets
 *     node bench/cell.ts all least  a thousandth of the work, to see that it runs
 *
 * Predicted before anything was tuned (per node taken or given back 60 ns, per decision 400 ns): 400,000 gangs a second
 * with small ones more frequent (p99 15 us), 60,000 when all sizes are as frequent (100 nodes on average, p99 60 us),
 * 3 million tasks a second filling and 1.5 million of release and place; growth flat up to 10,000 GPUs, then down by half
 * where the indices leave the cache. What came is in docs/explanation/speed.md; growth is even, since the largest gang
 * grows with the cell.
 */
const isLeast = process.argv[3] === 'least'
const [gpus, cpuNodes, decisions, churned] = isLeast ? [2000, 300, 1000, 1000] : [501_760, 208_336, 300_000, 2_000_000]
const whole = mixes(isLeast ? 32 : 512)

const goals = 'Goal: 100,000 gangs and 1,000,000 tasks a second, p99 under 100 us, under 1 GB'
const published = `Published, whole systems: gangs: Slurm 500 jobs/s (its documentation), Kueue 43 workloads/s (its CI), Volcano 55 jobs/s
(its tuning guide); tasks: Godel 5,000 pods/s (SoCC 2023), Nomad 3,750 containers/s (C1M)`

/** All in one process: while one is measured, the other is there and full. */
function together(): void {
  console.log(`\n501,760 GPUs at 95 % and 20,000,256 cores (208,336 nodes of 96) at 97 %, in one process. ${goals}`)
  console.log(published)
  const { cell, row } = placeTasks(oneCore, { nodes: cpuNodes, churned })
  console.table([row])
  const plan = gpuPlan(gpus)
  console.table(
    whole.map((mix) => ({ gangs: mix.name, ...churn(plan, mix, { decisions, target: 950, seed: 'gangs' }) })),
  )
  if (cell.gangs.held !== row.live) throw new Error('the cores must be held until the end')
}

/** The same, with reasons worked out for each decision and with the checker beside it; and tasks of several sizes. */
function checked(): void {
  console.log('\nThe same gangs with the reasons of each decision, and with its checker')
  const plan = gpuPlan(gpus)
  const [small, equal] = whole
  const rows = [small, equal].flatMap((mix) =>
    mix
      ? [{ reasons: true }, { checker: true }, { reasons: true, checker: true }].map((beside) => ({
          gangs: mix.name,
          with: Object.keys(beside).join(' and '),
          ...churn(plan, mix, { decisions, target: 950, seed: 'gangs', ...beside }),
        }))
      : [],
  )
  console.table(rows)
  const tasks = [false, true].map((checker) => placeTasks(mixedCores, { nodes: cpuNodes, churned, checker }).row)
  console.table(tasks)
}

function grow(): void {
  console.log('\nGrowth: gangs of whole nodes, small ones more often, at 95 %')
  console.table(
    growth(isLeast ? [1000, 3000] : [1000, 3000, 10_000, 30_000, 100_000, 500_000], isLeast ? 1000 : 200_000),
  )
}

function work(): void {
  console.log('\nThe work of others. OURS ARE DECISIONS ALONE; THEIRS INCLUDE API AND BINDS')
  const share = isLeast ? 0.001 : 1
  console.table([...kubernetes(share), ...sets(share)])
  console.log('\nWith the preemption of the queue: whole gangs leave, least lost work first, each start checked')
  console.table(preempting(share))
}

/** The same gangs through the queue. */
function queue(): void {
  console.log('\nThrough the queue: 500 always wait, ten projects, promises and backfill, the reason of each refusal')
  const [small] = whole
  const load = { waiting: isLeast ? 20 : 500, ends: isLeast ? 100 : 10_000, projects: 10 }
  if (small)
    console.table(
      [10_000, gpus].flatMap((count) =>
        [false, true].map((checker) => churnInLine({ plan: gpuPlan(count), mix: small, checker, ...load })),
      ),
    )
  const nodes = isLeast ? 10 : 1000
  console.table([1, 10].map((queues) => armadaRound({ nodes, queues, jobs: 320 * nodes })))
}

const parts = { together, checked, queue, growth: grow, sets: work }
const part = process.argv[2]
if (part && part in parts) parts[part as keyof typeof parts]() // checked by `in`
else
  for (const name of Object.keys(parts))
    execFileSync(process.execPath, [fileURLToPath(import.meta.url), name, ...process.argv.slice(3)], {
      stdio: 'inherit',
    })
