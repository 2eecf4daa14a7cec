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

/** Cores in use between two looks: by this process, all below it and some others; and by the rest of the machine. */
type Cores = { own: number; others: number }

/** Watches who uses the cores from now on, because a bench beside other work says little of its own. */
export function watchCores(more: number[]): () => Cores {
  const look = () => {
    const all = processes()
    // One that is below this process already counts once.
    const roots = more.filter((pid) => all.find((one) => one.pid === pid)?.parent !== process.pid)
    const own = [process.pid, ...roots].reduce((sum, pid) => sum + ticksOf(pid, all), 0)
    return { at: performance.now(), own, busy: busyTicks() }
  }
  const before = look()
  return () => {
    const now = look()
    const perTick = 1000 / ticksPerSecond / (now.at - before.at)
    const own = (now.own - before.own) * perTick
    return { own, others: (now.busy - before.busy) * perTick - own }
  }
}

export const coresText = ({ own, others }: Cores): string =>
  `cores in use meanwhile: ${own.toFixed(1)} by this, ${others.toFixed(1)} by other work`
