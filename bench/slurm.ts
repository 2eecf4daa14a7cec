import { setTimeout as pause } from 'node:timers/promises'

import { howToGetSlurm, slurmHere, startSlurm, type SlurmSetup } from '#rigs/slurm.ts'
import { decideDurably } from './slurm/durable.ts'
import { decideAlone, decideQueued, planOf, type Jobs } from './slurm/memory.ts'

/**
 * Slurm, as Debian packages it, and Isobar on the same work in the same run: 10,000 nodes of 8 GPUs in a tree of leaves
 * of 16 nodes and spines of 16 leaves, and 1,000 jobs of one whole node, 400 of 8 and 12 of 256. Slurm's controller knows
 * its nodes from its configuration only; nothing is started on them. All jobs are there before the first is decided.
 * Goal: 1,000 times Slurm's rate for decisions alone, and the rate with every decision committed beside it.
 *
 *     node bench/slurm.ts [least]      `least`: a thousandth of the work, to see that it runs
 *
 * Seconds are those of a processor, of Slurm's controller as of ours, so that others who compute beside them do not
 * count; the durable rate is by the clock on the wall, since it waits for the disk.
 */
const isLeast = process.argv[2] === 'least'
const tree = { nodes: isLeast ? 512 : 10_000, fanOut: 16 }
const jobs: Jobs = isLeast
  ? [
      [4, 1],
      [2, 8],
      [1, 64],
    ]
  : [
      [1000, 1],
      [400, 8],
      [12, 256],
    ]
const sizes = jobs.flatMap(([count, nodes]) => Array.from({ length: count }, () => nodes))

type Row = { who: string; placed: number; seconds: number; clock: string; published?: string | undefined }

async function slurmRow(select: SlurmSetup['select']): Promise<Row> {
  const slurm = await startSlurm({ ...tree, select })
  const todo = [...sizes]
  const submitSome = async (): Promise<void> => {
    for (let nodes = todo.shift(); nodes !== undefined; nodes = todo.shift()) await slurm.submit(nodes)
  }
  await Promise.all([1, 2, 3, 4].map(submitSome))
  const [begun, used] = [performance.now(), slurm.processorSeconds()]
  await slurm.open()
  let placed = 0
  while (placed < sizes.length && performance.now() - begun < 300_000) {
    await pause(isLeast ? 20 : 200)
    placed = await slurm.started()
  }
  const [wall, seconds] = [(performance.now() - begun) / 1000, slurm.processorSeconds() - used]
  await slurm.stop()
  const published = select === 'cons_tres' ? '50/s on this work (22.05.8, tree; 81/s without topology)' : undefined
  const what = select === 'cons_tres' ? 'cores and GPUs (select/cons_tres)' : 'whole nodes only (select/linear)'
  return {
    who: `Slurm ${slurm.version}, ${what}`,
    placed,
    seconds,
    clock: `${wall.toFixed(1)} s on the wall`,
    published,
  }
}

/** The middle of several runs, each on nodes that are all free. */
function middle(who: string, decide: () => { placed: number; ms: number }): Row {
  const first = decide()
  const runs = Array.from({ length: 15 }, decide).sort((a, b) => a.ms - b.ms)
  const { placed, ms } = runs[7] ?? first
  return { who, placed, seconds: ms / 1000, clock: `first of the process ${first.ms.toFixed(1)} ms` }
}

const inMs = (ms: number): string => `${ms.toFixed(0)} ms`

async function durableRows(): Promise<Row[]> {
  const { placed, ms, turns, readMs, commitMs, boundMs } = await decideDurably(sizes, tree)
  const parts = `read ${inMs(readMs)}, decide ${inMs(ms - readMs - commitMs)}, commit ${inMs(commitMs)}`
  const who = 'Isobar, DURABLE: read from PostgreSQL, decided with every reason, committed'
  const bound = 'bound of the durable rate: PostgreSQL copies the rows that were written'
  return [
    { who, placed, seconds: ms / 1000, clock: `on the wall, ${turns} turns: ${parts}` },
    { who: bound, placed, seconds: boundMs / 1000, clock: 'on the wall, one commit' },
  ]
}

const rows: Row[] = []
if (slurmHere() === null) console.log(`Slurm is left out: ${howToGetSlurm}`)
else for (const select of ['cons_tres', 'linear'] as const) rows.push(await slurmRow(select))
const plan = planOf(tree)
rows.push(middle('Isobar, decisions alone', () => decideAlone(jobs, plan)))
rows.push(middle('Isobar, through the queue, with reasons and checker', () => decideQueued(jobs, plan)))
rows.push(...(await durableRows()))

const peers = rows.filter(({ who }) => who.startsWith('Slurm'))
const rate = ({ placed, seconds }: Row): number => placed / seconds
console.log(`\n${sizes.length} jobs on ${tree.nodes} nodes. Ours are decisions without launches; so are Slurm's here`)
console.table(
  rows.map((row) => ({
    who: row.who,
    placed: row.placed,
    seconds: row.seconds.toPrecision(3),
    'decisions/s': Math.round(rate(row)),
    ...Object.fromEntries(peers.map((peer, i) => [i === 0 ? 'x cons_tres' : 'x linear', ratio(row, peer)])),
    clock: row.clock,
    published: row.published ?? '',
  })),
)

function ratio(row: Row, peer: Row): string {
  const times = rate(row) / rate(peer)
  return times >= 10 ? Math.round(times).toLocaleString('en') : times.toFixed(1)
}
