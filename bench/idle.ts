import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

import { startControlPlane } from './control-plane.ts'
import { coresText, processes, ticksOf, watchCores } from './processes.ts'

/**
 * CPU that a control plane with nothing to do takes, PostgreSQL included (goal: under 1 % of a core). The bound is a
 * Node that does nothing. From /proc/<pid>/stat, in ticks of 10 ms. And the memory of an idle control plane.
 *
 *     node bench/idle.ts [seconds]
 */
const seconds = Number(process.argv[2] ?? 30)

const server = await startControlPlane()
await pause(5000) // what a start leaves behind
const trees: [string, number][] = [
  ['control plane', server.pid],
  ['PostgreSQL', server.postgres],
]
const cores = watchCores([server.postgres])
const before = processes()
await pause(seconds * 1000)
const after = processes()
let all = 0
console.log(`${seconds} s of nothing to do         % of a core`)
for (const [name, pid] of trees) {
  const share = (ticksOf(pid, after) - ticksOf(pid, before)) / seconds
  all += share
  console.log(`${name.padEnd(30)}${share.toFixed(2).padStart(10)}`)
}
console.log(`${'together (goal: under 1)'.padEnd(30)}${all.toFixed(2).padStart(10)}`)
const rssMB = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024
console.log(`memory of the control plane: ${rssMB.toFixed(0)} MB`)
console.log(coresText(cores()))
await server.stop()
process.exit(0)
