import { readFileSync } from 'node:fs'

import type { Cluster, DaemonName } from '#rigs/slurm/cluster.ts'

/** Processor time that a daemon has taken, in ms: clock ticks are hundredths of a second on Linux. */
export function cpuMs(cluster: Cluster, name: DaemonName): number {
  const stat = readFileSync(`/proc/${cluster.pid(name)}/stat`, 'utf8')
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  return (user + system) * 10
}

/** What a daemon holds in memory now, or did at the most, in MiB. */
export function memoryMiB(cluster: Cluster, name: DaemonName, which: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  const status = readFileSync(`/proc/${cluster.pid(name)}/status`, 'utf8')
  return Number(new RegExp(`^${which}:\\s*(\\d+)`, 'm').exec(status)?.[1]) / 1024
}

export const row = (...cells: (string | number)[]): void => console.log(`| ${cells.join(' | ')} |`)
