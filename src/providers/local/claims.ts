import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { isThere, type SiteFolder } from './site-folder.ts'

/** A claim whose order is not there belongs to a launch under way, unless it is older than any launch takes. */
const mostLaunchMs = 60_000

/**
 * Things of a site that only one order may have at a time (an address, a port, an accelerator) are files named after
 * them that hold its token. Claims of orders that are no more are free.
 */
export async function claim(folder: SiteFolder, name: string, token: string): Promise<boolean> {
  const path = join(folder.claims, name)
  for (;;) {
    try {
      await writeFile(path, token, { flag: 'wx', mode: 0o600 })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        await rm(path, { force: true }) // on a full disk it is there, and empty
        throw error
      }
    }
    const holder = await readFile(path, 'utf8').catch(() => '')
    if (holder === token) return true
    if (holder !== '' && (await isThere(folder.order(holder)))) return false
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => Number.POSITIVE_INFINITY,
    )
    if (age < mostLaunchMs) return false
    await rm(path, { force: true })
  }
}

/** Names of all that a token holds. */
export async function claimsOf(folder: SiteFolder, token: string): Promise<string[]> {
  const names = await readdir(folder.claims)
  const holders = await Promise.all(names.map((name) => readFile(join(folder.claims, name), 'utf8').catch(() => '')))
  return names.filter((_, index) => holders[index] === token)
}

export async function release(folder: SiteFolder, names: string[]): Promise<void> {
  for (const name of names) await rm(join(folder.claims, name), { force: true })
}
