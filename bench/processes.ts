import { readdirSync, readFileSync } from 'node:fs'

/** Ticks of CPU in /proc: user and kernel mode, 100 in a second. */
const ticksPerSecond = 100

type Process = { pid: number; parent: number; ticks: number }

/** All processes of this machine: number, parent, and ticks of CPU so far, with those of children that have ended. */
export function processes(): Process[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
        .map(Number)
      const [, parent = 0] = fields
      return [{ pid: Number(name), parent, ticks: fields.slice(11, 15).reduce((a, b) => a + b, 0) }]
    } catch {
      return [] // it ended while we looked
    }
  })
}

/** Ticks of a process and all below it. */
export function ticksOf(root: number, all: Process[]): number {
  const own = all.find(({ pid }) => pid === root)?.ticks ?? 0
  return all.filter(({ parent }) => parent === root).reduce((sum, { pid }) => sum + ticksOf(pid, all), own)
}

function busyTicks(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (
    readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? ''
  )
    .split(/ +/)
    .slice(1)
    .map(Number)
  return user + nice + system + irq + softirq + steal
}

/**
 * Watches who uses the cores from now on, because a bench beside other work says little of its own: a sentence of how
 * many this process, all below it and these others took, and how many the rest of the machine.
 */
export function watchCores(others: number[]): () => string {
  const look = () => {
    const all = processes()
    return {
      at: performance.now(),
      busy: busyTicks(),
      own: [process.pid, ...others].reduce((sum, pid) => sum + ticksOf(pid, all), 0),
    }
  }
  const before = look()
  return () => {
    const now = look()
    const cores = (ticks: number) => ((ticks / ticksPerSecond / (now.at - before.at)) * 1000).toFixed(1)
    const own = now.own - before.own
    return `cores in use meanwhile: ${cores(own)} by this, ${cores(now.busy - before.busy - own)} by other work`
  }
}
