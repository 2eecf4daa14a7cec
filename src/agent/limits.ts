import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import type { AgentOrder } from '#model/agent-folder.ts'

/** A control group that holds a rank to its slice. */
export type Limits = {
  /** The file that a process writes its number to in order to join. */
  procs: string
  /** Whether the kernel killed something in it for want of memory. */
  outOfMemory(): boolean
  /** Kills what is left in it and removes it. */
  remove(): void
}

const mount = '/sys/fs/cgroup'
const controllers = ['cpu', 'memory', 'pids']
/** Enough for any training process with its data loaders; a fork bomb is stopped. */
const mostProcesses = 32_768

/** Whether ranks on this machine can be held to their memory, CPUs and number of processes, and if not, why. */
export function limits(): { ok: boolean; detail: string } {
  const parent = findParent()
  return parent
    ? { ok: true, detail: `cgroup v2 at ${parent}` }
    : { ok: false, detail: 'no cgroup v2 folder with the cpu, memory and pids controllers that we may write to' }
}

/** Makes the control group of a rank, or nothing where that cannot be. */
export function createLimits(order: AgentOrder): Limits | undefined {
  const parent = order.confined ? undefined : findParent()
  if (!parent) return undefined
  const group = join(parent, `${order.token}-${order.rank}`)
  const { cpuMilli, memoryMiB } = order.shape
  try {
    mkdirSync(group, { recursive: true })
    if (memoryMiB > 0) writeFileSync(join(group, 'memory.max'), String(memoryMiB * 1024 * 1024))
    if (cpuMilli > 0) writeFileSync(join(group, 'cpu.max'), `${cpuMilli * 100} 100000`)
    writeFileSync(join(group, 'pids.max'), String(mostProcesses))
  } catch {
    return undefined
  }
  return {
    procs: join(group, 'cgroup.procs'),
    outOfMemory: () => /^oom_kill [1-9]/m.test(readOr(join(group, 'memory.events'), '')),
    remove() {
      try {
        writeFileSync(join(group, 'cgroup.kill'), '1')
        rmdirSync(group)
      } catch {
        // Still emptying, or gone already; an empty group costs nothing.
      }
    },
  }
}

/** The folder for our groups: below the root for root, else below the nearest ancestor that was delegated to us. */
function findParent(): string | undefined {
  if (!existsSync(join(mount, 'cgroup.controllers'))) return undefined
  const own = /^0::(\/.*)$/m.exec(readOr('/proc/self/cgroup', ''))?.[1] ?? '/'
  const candidates = [mount]
  for (let path = dirname(join(mount, own)); path.length > mount.length; path = dirname(path)) candidates.push(path)
  return candidates.map((path) => join(path, 'isobar')).find(prepared)
}

/** Whether groups below `parent` get the controllers, once we have made it. */
function prepared(parent: string): boolean {
  try {
    if (!existsSync(parent)) mkdirSync(parent)
    const subtree = join(parent, 'cgroup.subtree_control')
    const enabled = () => readFileSync(subtree, 'utf8').trim().split(' ')
    if (!controllers.every((name) => enabled().includes(name)))
      writeFileSync(subtree, controllers.map((name) => `+${name}`).join(' '))
    return statSync(parent).isDirectory() && controllers.every((name) => enabled().includes(name))
  } catch {
    return false
  }
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}
