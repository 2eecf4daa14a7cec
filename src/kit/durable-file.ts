import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** Writes a whole file, readable by its owner only, so that after any crash it is there entirely or not at all. */
export function writeDurably(path: string, text: string): void {
  const partial = `${path}.${process.pid}.partial`
  const file = openSync(partial, 'w', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(partial, path)
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder) // The new name is only on disk once its folder is.
  } finally {
    closeSync(folder)
  }
}
