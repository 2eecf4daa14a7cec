import type { PoolNeed } from './pools.ts'

/** What we added stays for so long after the last one wanted it: nodes take up to half an hour to come. */
export const keepMs = 1_800_000

/**
 * How many nodes a pool is to be asked for, or null where it is asked for what it should be. It grows by whole steps, up to
 * what it may, while somebody lacks nodes that are not on their way already. Once nobody has wanted any for `keepMs`, what
 * we added is given back: as much of it as nobody uses, or as has not come yet.
 */
export function nextTarget({ pool, isWanted, lacks, idle }: PoolNeed, quietMs: number): number | null {
  const { target, current, step, added, most = 0 } = pool
  const coming = Math.max(0, target - current)
  if (lacks > coming) {
    const wanted = target + Math.ceil((lacks - coming) / step) * step
    const to = Math.min(wanted, Math.floor(most / step) * step)
    return to > target ? to : null
  }
  if (isWanted || quietMs < keepMs) return null
  const back = Math.min(added, idle + Math.floor(coming / step) * step)
  return back > 0 ? target - back : null
}
