import { noSmallDisk, openSmallDisk, type SmallDisk } from '#rigs/small-disk.ts'
import { atExit } from './at-exit.ts'
import { Skipped } from './round.ts'

/** A small disk that everybody may pass, gone when this process ends; throws `Skipped` where none can be had. */
export function smallDisk(path: string, sizeMB: number): SmallDisk {
  if (noSmallDisk !== null) throw new Skipped(noSmallDisk)
  const disk = openSmallDisk(path, { sizeMB, mode: '755' })
  if (!disk) throw new Skipped('nothing can be mounted here')
  return { ...disk, close: atExit(disk.close) }
}
