import { readFile, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import { makeFolder } from '#kit/make-folder.ts'
import { fail, type Outcome } from '#model/fault.ts'

/**
 * A site of this machine is its folder: `site.json` says that it is there, `orders/<token>/<rank>` holds what runs,
 * `claims` what is in use, `retired` what must never start again. No folder, no site: a disk that is not mounted is a
 * site that does not answer, not one where nothing runs.
 */
export type SiteFolder = {
  readonly root: string
  /** The folder of an order. */
  order(token: string): string
  claims: string
  retired: string
}

export const siteFolder = (root: string): SiteFolder => ({
  root,
  order: (token) => join(root, 'orders', token),
  claims: join(root, 'claims'),
  retired: join(root, 'retired'),
})

const marker = (folder: SiteFolder) => join(folder.root, 'site.json')
// Beside the folder, so that it survives when the folder goes: then the site is away, and is not made anew.
const memory = (folder: SiteFolder) => join(dirname(folder.root), `.${basename(folder.root)}.made`)

/** Makes the site the first time it is ever used; never again after that. */
export async function prepareSite(folder: SiteFolder): Promise<void> {
  if (await isThere(memory(folder))) return
  for (const path of [join(folder.root, 'orders'), folder.claims, folder.retired]) await makeFolder(path)
  await writeFile(marker(folder), '{"isobar":"local site"}\n', { mode: 0o600 })
  await writeFile(memory(folder), '', { mode: 0o600 })
}

/**
 * Asks a site something. It answers only if it is there before and after: what was read while it went away is not
 * true. Ends soon after `signal` aborts; disks that are full or closed to us become faults.
 */
export async function ask<T>(
  folder: SiteFolder,
  signal: AbortSignal,
  question: () => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  const away = fail('unreachable', 'later', `${marker(folder)} cannot be read`)
  const answer = async (): Promise<Outcome<T>> => {
    try {
      await prepareSite(folder)
      if (!(await isThere(marker(folder)))) return away
      const answered = await question()
      return (await isThere(marker(folder))) ? answered : away
    } catch (error) {
      return (await isThere(marker(folder))) ? faultOf(error, folder.root) : away
    }
  }
  if (signal.aborted) return givenUp
  const aborted = Promise.withResolvers<Outcome<T>>()
  const abort = () => aborted.resolve(givenUp)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([answer(), aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

const givenUp = fail('unreachable', 'later', 'the call was given up before the site answered')

function faultOf(error: unknown, root: string): ReturnType<typeof fail> {
  const { code, message } = error as NodeJS.ErrnoException // whatever else it is, it has no code and is thrown
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return fail('no-capacity', 'elsewhere', `the disk of ${root} is full (${message}); free some of it`)
  if (code === 'EMFILE' || code === 'ENFILE' || code === 'EAGAIN' || code === 'ENOMEM')
    return fail('throttled', 'later', `this machine has no more room for processes or files: ${message}`)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return fail('denied', 'never', `we may not use the site's folder: ${message}`)
  throw error
}

/** Remembers that a token is over: a launch of it that comes late must start nothing. */
export async function rememberRetired(folder: SiteFolder, token: string): Promise<void> {
  await writeFile(join(folder.retired, token), '', { mode: 0o600 })
}

export const wasRetired = (folder: SiteFolder, token: string): Promise<boolean> => isThere(join(folder.retired, token))

/** Names that are safe as a folder: what is not cannot be a token of ours. */
export const isToken = (token: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(token)

export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** A JSON file, or nothing where there is none (yet) or only part of one. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T // written by ourselves or by our agent
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
