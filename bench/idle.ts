import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

import { startControlPlane } from './control-plane.ts'

/**
 * CPU that a control plane with nothing to do takes, PostgreSQL included (goal: under 1 % of a core). The bound is a
 * Node that does nothing. From /proc/<pid>/stat, in ticks of 10 ms.
 *
 *     node bench/idle.ts [seconds]
 */
const seconds = Number(process.argv[2] ?? 30)

type Process = { pid: number; parent: number; ticks: number }

/** All processes of this machine: number, parent, and ticks of CPU in user and kernel mode so far. */
function processes(): Process[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
        .map(Number)
      const [, parent = 0] = fields
      return [{ pid: Number(name), parent, ticks: (fields[11] ?? 0) + (fields[12] ?? 0) }]
    } catch {
      return [] // it ended while we looked
    }
  })
}

/** Ticks of a process and all below it. Those that ended meanwhile are missing: an idle house starts none. */
function ticksOf(root: number, all: Process[]): number {
  const own = all.find(({ pid }) => pid === root)?.ticks ?? 0
  return all.filter(({ parent }) => parent === root).reduce((sum, { pid }) => sum + ticksOf(pid, all), own)
}

const server = await startControlPlane()
await pause(5000) // what a start leaves behind
const trees: [string, number][] = [
  ['control plane', server.pid],
  ['PostgreSQL', server.postgres],
]
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
await server.stop()
process.exit(0)
