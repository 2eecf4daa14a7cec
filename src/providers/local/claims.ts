import { isThere, wasRetired } from '#providers/kept-folder.ts'
import { lstat, readdir, readlink, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'

import type { SiteFolder } from './site-folder.ts'

/** A claim whose order is not there belongs to a launch under way, unless it is older than any launch takes. */
const mostLaunchMs = 60_000

/**
 * Things of a site that only one order may have at a time (an address, a port, an accelerator) are symbolic links named
 * after them whose target is its token; there is nothing to follow. Claims of orders that are no more are free.
 */
export async function claim(folder: SiteFolder, name: string, token: string): Promise<boolean> {
  const path = join(folder.claims, name)
  if (await appear(path, token)) return true
  if ((await holderOf(path)) === token) return true
  if (!(await isLeft(folder, path))) return false
  // Who takes it over must be the only one that looks and removes: else the second would remove the claim of the first.
  const taking = `${path}.taking`
  if (!(await appear(taking, token))) return false
  try {
    if (await isLeft(folder, path)) await rm(path, { force: true })
    return await appear(path, token)
  } finally {
    await rm(taking, { force: true })
  }
}

/** Names that begin with a text and are claimed by orders that are there, or by launches under way. */
export async function claimed(folder: SiteFolder, begin: string): Promise<string[]> {
  const names = (await readdir(folder.claims)).filter((name) => name.startsWith(begin) && !name.endsWith('.taking'))
  const held: string[] = []
  for (const name of names.sort()) if (!(await isLeft(folder, join(folder.claims, name)))) held.push(name)
  return held
}

const holderOf = (path: string): Promise<string> => readlink(path).catch(() => '')

/** Whether a claim is nobody's any more. */
async function isLeft(folder: SiteFolder, path: string): Promise<boolean> {
  const holder = await holderOf(path)
  if (holder !== '' && (await isThere(folder.order(holder)))) return false
  const madeAt = await lstat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => Number.NEGATIVE_INFINITY, // it has just been freed
  )
  return Date.now() - madeAt >= mostLaunchMs
}

/** A link is made with its holder in it or not at all: whoever dies on the way leaves nothing half made. */
async function appear(path: string, token: string): Promise<boolean> {
  try {
    await symlink(token, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  }
}

/** Frees what a token holds of these names; by default of all, which reads every claim of the site. */
export async function releaseAll(folder: SiteFolder, token: string, names?: string[]): Promise<void> {
  for (const name of names ?? (await readdir(folder.claims)))
    if ((await holderOf(join(folder.claims, name))) === token) await release(folder, [name])
}

/**
 * Frees what is held for orders that were retired and are no more: a launch that died left it, or one that was slower than
 * the retirement of its order. `orders` are some of those that are there.
 */
export async function releaseLeft(folder: SiteFolder, orders: string[]): Promise<void> {
  const over = new Map(orders.map((token) => [token, false]))
  for (const name of await readdir(folder.claims)) {
    const holder = await holderOf(join(folder.claims, name))
    if (holder !== '' && !over.has(holder))
      over.set(holder, (await wasRetired(folder, holder)) && !(await isThere(folder.order(holder))))
    if (over.get(holder)) await release(folder, [name])
  }
}

export async function release(folder: SiteFolder, names: string[]): Promise<void> {
  for (const name of names) await rm(join(folder.claims, name), { force: true })
}
