import { chmod, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Removes a folder of ours with all in it, also where a program closed folders to everybody. None at all is fine. */
export async function removeTree(path: string): Promise<void> {
  const remove = () => rm(path, { recursive: true, force: true, maxRetries: 3 })
  await remove().catch(async (error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    await openFolders(path)
    await remove()
  })
}

/** Entries of a folder are removed with the right to write to it. Links are not followed. */
async function openFolders(path: string): Promise<void> {
  for (const folders = [path]; ;) {
    const folder = folders.pop()
    if (folder === undefined) return
    await chmod(folder, 0o700)
    for (const entry of await readdir(folder, { withFileTypes: true }))
      if (entry.isDirectory()) folders.push(join(folder, entry.name))
  }
}
