import { execFile, execFileSync } from 'node:child_process'
import { chownSync, existsSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

import { atTheEnd } from '#rigs/slurm/daemon.ts'

const run = promisify(execFile)

const programs = { make: '/sbin/mkfs.ext4', freeze: '/sbin/fsfreeze', mount: '/bin/mount' }

/** A disk of its own that takes no write for a while: whoever writes waits. */
export type SlowDisk = {
  /** Takes no write while something is done. */
  hangsWhile<T>(doing: () => Promise<T>): Promise<T>
  /** Takes writes for a fifth of the time, in turns of half a second, while something is done. */
  isSlowWhile<T>(doing: () => Promise<T>): Promise<T>
  /** Nobody may have a file of it open. */
  close(): Promise<void>
}

/** Why none can be had here; null where one can. */
export const noSlowDisk = (): string | null => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a disk that is slow needs Linux, and root'
  if (!existsSync('/dev/loop-control')) return 'a disk that is slow needs loop devices: modprobe loop'
  const missing = Object.values(programs).filter((path) => !existsSync(path))
  return missing.length === 0
    ? null
    : `a disk that is slow needs ${missing.join(' and ')}; on Debian: apt-get install e2fsprogs util-linux`
}

/**
 * Mounts one over a folder, whose owner has it. It is a file system in a file that is frozen (FIFREEZE), as a machine's is
 * while it is copied: it is thawed and unmounted when this process ends, however that ends.
 */
export async function openSlowDisk(folder: string): Promise<SlowDisk> {
  const file = `${folder}.disk`
  writeFileSync(file, '')
  truncateSync(file, 64 * 2 ** 20)
  const { uid, gid } = statSync(folder)
  execFileSync(programs.make, ['-q', '-F', file])
  execFileSync(programs.mount, ['-o', 'loop', file, folder])
  chownSync(folder, uid, gid)
  const guard = atTheEnd('/sbin/fsfreeze -u "$0" 2>/dev/null; umount -l "$0"', folder)
  const freeze = async (how: '--freeze' | '--unfreeze') => void (await run(programs.freeze, [how, folder]))
  const hangsWhile: SlowDisk['hangsWhile'] = async (doing) => {
    await freeze('--freeze')
    try {
      return await doing()
    } finally {
      await freeze('--unfreeze')
    }
  }
  return {
    hangsWhile,
    async isSlowWhile(doing) {
      const over = new AbortController()
      const turns = (async () => {
        for (; !over.signal.aborted; await pause(100)) await hangsWhile(() => pause(400))
      })()
      try {
        return await doing()
      } finally {
        over.abort()
        await turns
      }
    },
    close: () => guard.end(),
  }
}
