import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { readSpecs } from '#model/spec/read.ts'
import { aStore, someIds } from '#rigs/postgres.ts'
import type { NewWorkload } from '#store/store.ts'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import { openPlainInserts } from './plain-inserts.ts'
import { coresText, watchCores } from './processes.ts'

/**
 * Workloads submitted over the API, admitted to the queue and committed, per second (goal: 5,000 on two cores, in
 * batches). Server with all its loops, client and PostgreSQL share the machine. Beside it: what PostgreSQL takes of the
 * same rows in plain inserts of 1,000, and what the YAML of the same documents alone takes to read. The CPU of each
 * workload, that of the client and of PostgreSQL among it, says what two free cores could do when they are not free.
 *
 *     node bench/api-submit.ts [seconds per line] [flags of the server's Node]
 */
const seconds = Number(process.argv[2] ?? 4)

const text = `kind: job
name: train-7b
nodes: 8
resources:
  accelerators: [H200:8, H100:8]
  memory: 1TB+
  cpus: 96+
setup: pip install -r requirements.txt
run: torchrun --nnodes $ISOBAR_NODES --node-rank $ISOBAR_RANK train.py --config configs/7b.yaml
env: { NCCL_DEBUG: INFO, WANDB_MODE: offline }
labels: { team: research, run: "2026-01-01" }
`
const flood = fileURLToPath(new URL('flood.ts', import.meta.url))

type Flooded = { perSecond: number; medianMs: number; p99Ms: number }

async function overApi(documents: number, connections: number, { url, token }: ControlPlane): Promise<Flooded> {
  const body = JSON.stringify({ text: Array.from({ length: documents }, () => text).join('---\n') })
  const run = promisify(execFile)(process.execPath, [flood, url, token, String(connections), String(seconds)])
  run.child.stdin?.end(body)
  return JSON.parse((await run).stdout)
}

function oneSpec(): Omit<NewWorkload, 'id'> {
  const read = readSpecs(text, 'spec.yaml')
  const spec = 'specs' in read ? read.specs[0]?.spec : undefined
  if (!spec) throw new Error('the spec of this bench is not right')
  const { name, project, kind, priority } = spec
  return { name, project, kind, spec, bundle: null, priority, submittedBy: 'bench' }
}

async function plainRate(): Promise<number> {
  await using store = await aStore()
  const inserts = await openPlainInserts(store.url)
  const one = oneSpec()
  const began = performance.now()
  let done = 0
  for (; performance.now() < began + seconds * 1000; done += 1000)
    await inserts.act(Array.from({ length: 1000 }, () => ({ ...one, id: someIds('w') })))
  const rate = (done * 1000) / (performance.now() - began)
  await inserts.close()
  return rate
}

function parseRate(): number {
  for (let i = 0; i < 2000; i++) readSpecs(text, 'spec.yaml')
  const began = performance.now()
  for (let i = 0; i < 5000; i++) readSpecs(text, 'spec.yaml')
  return 5_000_000 / (performance.now() - began)
}

const server = await startControlPlane({ flags: process.argv.slice(3) })
const line = (what: string, perSecond: number, rest = '') =>
  console.log(`${what.padEnd(46)}${perSecond.toFixed(0).padStart(13)}${rest}`)
try {
  await overApi(1, 16, server) // warm
  const all = watchCores([server.postgres])
  console.log(
    `${'documents of ' + text.length + ' bytes,'.padEnd(30)}   workloads/s   request, median and p99  CPU of each`,
  )
  // The one with the goal first: nothing here is ever placed, and the queue that admit looks at grows with each line.
  for (const [documents, connections] of [
    [1000, 2],
    [100, 4],
    [10, 16],
    [1, 64],
    [1, 1],
  ] as const) {
    const cores = watchCores([server.postgres])
    const { perSecond, medianMs, p99Ms } = await overApi(documents, connections, server)
    const cpuMicros = (cores().own * 1e6) / perSecond / documents
    line(
      `${documents} a request, ${connections} connections`,
      perSecond * documents,
      `${medianMs.toFixed(1).padStart(11)} ms${p99Ms.toFixed(1).padStart(9)} ms${cpuMicros.toFixed(0).padStart(9)} µs`,
    )
  }
  console.log(coresText(all()))
} finally {
  await server.stop()
}
line('bound: plain inserts of 1,000', await plainRate())
line('bound: reading the YAML, one core', parseRate())
process.exit(0)
