import { mkdirSync, statSync } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

const onlyOurs = 0o700

/**
 * Makes a folder that only its owner may enter, and those around it that are missing; one that is there stays as it is.
 * Throws what the system says against it. Node's own `recursive` is never done where a folder that exists says that there
 * can be no such thing in it, as /proc does: it takes that for a missing parent, again and again.
 */
export async function makeFolder(path: string): Promise<void> {
  for (let tries = 1; ; tries++)
    try {
      return await mkdir(path, onlyOurs)
    } catch (error) {
      if (await isFolder(path)) return
      if (tries === 2 || !isMissing(error)) throw error
      await makeFolder(dirname(path))
    }
}

/** The same for who cannot wait. */
export function makeFolderSync(path: string): void {
  for (let tries = 1; ; tries++)
    try {
      return mkdirSync(path, onlyOurs)
    } catch (error) {
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
      if (tries === 2 || !isMissing(error)) throw error
      makeFolderSync(dirname(path))
    }
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
