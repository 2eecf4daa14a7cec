import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'

import { gangFiles } from '#model/gang-folder.ts'
import { isThere } from '#providers/kept-folder.ts'

import type { SiteFolder } from './site-folder.ts'

const markOf = (folder: SiteFolder, token: string): string => join(folder.order(token), gangFiles.unsent)

/** Whether nobody has ever begun to submit an order. */
export const isUnsent = (folder: SiteFolder, token: string): Promise<boolean> => isThere(markOf(folder, token))

/**
 * Says, for good and on the disk, that an order is about to be submitted. True for the one caller, of all control planes,
 * before whom nobody did: no job carries the order yet. False for all others: one may.
 */
export async function takeUnsent(folder: SiteFolder, token: string): Promise<boolean> {
  try {
    await unlink(markOf(folder, token))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
  // The order must not come back as unsent, nor be gone, when this machine goes down and its job stays.
  for (const path of [folder.order(token), folder.order('')]) await syncFolder(path)
  return true
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined // it was retired meanwhile
    throw error
  })
  try {
    await folder?.sync()
  } finally {
    await folder?.close()
  }
}
