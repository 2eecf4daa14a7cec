import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A disk that is soon full. */
export type SmallDisk = {
  path: string
  /** Leaves not one block. */
  fill(): void
  /** Gives back what `fill` took. */
  free(): void
  close(): void
}

/** Why none can be had here; null where one can. */
export const noSmallDisk: string | null =
  process.getuid?.() !== 0 || process.platform !== 'linux' ? 'only root on Linux can mount a small disk' : null

/** Mounts a disk of so many megabytes at a folder that is made; null where this is not permitted. */
export function openSmallDisk(
  path: string,
  { sizeMB, mode = '700' }: { sizeMB: number; mode?: string },
): SmallDisk | null {
  mkdirSync(path, { recursive: true })
  try {
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', `size=${sizeMB}m,mode=${mode}`, 'tmpfs', path], {
      stdio: 'ignore',
    })
  } catch {
    rmSync(path, { recursive: true })
    return null
  }
  const filler = join(path, 'filler')
  return {
    path,
    fill: () => writeToEnd(filler),
    free: () => rmSync(filler, { force: true }),
    close() {
      execFileSync('/bin/umount', ['-l', path])
      rmSync(path, { recursive: true })
    },
  }
}

function writeToEnd(path: string): void {
  const file = openSync(path, 'a')
  for (const size of [1024 * 1024, 4096])
    try {
      const block = Buffer.alloc(size)
      for (;;) writeSync(file, block)
    } catch {
      // Not even a block of this size has room.
    }
  closeSync(file)
}
