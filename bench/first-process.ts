import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { Client } from 'pg'

import { agentFiles } from '#model/agent-folder.ts'
import { quantile, startControlPlane } from './control-plane.ts'
import { coresText, watchCores } from './processes.ts'

/**
 * Time from the submit of a job to its first process on this machine (goal: 100 ms), and where it goes. The process is
 * a shell that writes down the time. The bound is the same shell, forked and executed by hand.
 *
 *     node bench/first-process.ts [runs]
 */
const runs = Number(process.argv[2] ?? 20)
const folder = mkdtempSync(join(tmpdir(), 'isobar-first-'))

/** Writes down the time; then, where there are any, when the files came that an agent makes on its way. */
const command = (file: string, files = '') => `date +%s%3N > ${file}.part; ${files} mv ${file}.part ${file}`
const filesOfAgent = ['../../order.json', `../${agentFiles.agent}`, '../pipe']

/** The times that a process wrote down, in milliseconds. */
async function written(file: string): Promise<number[]> {
  for (let tries = 0; !existsSync(file); tries++) {
    if (tries > 10_000) throw new Error('no process came')
    await pause(1)
  }
  const [first = NaN, ...files] = readFileSync(file, 'utf8').trim().split('\n').map(Number)
  return [first, ...files.map((seconds) => seconds * 1000)]
}

type Steps = Record<string, number>

/** Submits a job and gives the milliseconds after which each step was done. */
async function submitOne(run: number): Promise<Steps> {
  const file = join(folder, `job-${run}`)
  const look = `stat -c %.3Z ${filesOfAgent.join(' ')} >> ${file}.part;`
  const text = `kind: job\nname: first\nrun: ${JSON.stringify(command(file, look))}\nresources: { cpus: 0.1, memory: 64MB }\n`
  const began = Date.now()
  const answer = await server.post('/v1/workloads', { text })
  const answered = Date.now()
  const { workloads } = (await answer.json()) as { workloads: { id: string }[] }
  const id = workloads[0]?.id
  const [first = NaN, ordered = NaN, agent = NaN, ready = NaN] = await written(file)
  await server.get(`/v1/workloads/${id}/wait?timeoutSeconds=20`)
  const { rows } = await sql.query(
    `select min(e.at) filter (where e.type = 'attempt.placed') as placed, min(l.started_at) as launched,
       min(l.id) as lease
     from events e join leases l on l.workload = e.workload where e.workload = $1`,
    [id],
  )
  const { placed, launched } = rows[0]
  return {
    'submit answered': answered - began,
    'placed (committed)': Number(placed) - began,
    'launch called (folder of the order made)': ordered - began,
    'launch settled (agent forked)': Number(launched) - began,
    'agent begins (Node is up)': agent - began,
    'the pipe for its output is there': ready - began,
    'first process (goal 100)': first - began,
  }
}

async function bound(run: number): Promise<number> {
  const file = join(folder, `bound-${run}`)
  const began = Date.now()
  const child = spawn('/bin/sh', ['-c', command(file)], { stdio: 'ignore' })
  const [first = NaN] = await written(file)
  if (child.exitCode === null) await once(child, 'exit')
  return first - began
}

const line = (name: string, values: number[]) =>
  console.log(name.padEnd(40) + [0.5, 0.95, 0].map((share) => quantile(values, share).toFixed(0).padStart(9)).join(''))

const server = await startControlPlane()
const sql = new Client({ connectionString: server.database })
await sql.connect()
try {
  for (let i = 0; i < 5; i++) await submitOne(-1 - i)
  const all: Steps[] = []
  const bounds: number[] = []
  const cores = watchCores([server.postgres])
  for (let run = 0; run < runs; run++) {
    await pause(700) // the one before is put away
    all.push(await submitOne(run))
    bounds.push(await bound(run))
  }
  console.log(`ms after the submit, ${runs} warm runs          median      p95     best`)
  for (const name of Object.keys(all[0] ?? {}))
    line(
      name,
      all.map((steps) => steps[name] ?? NaN),
    )
  line('bound: fork and exec of the same shell', bounds)
  console.log(coresText(cores()))
} finally {
  await sql.end()
  await server.stop()
}
process.exit(0)
