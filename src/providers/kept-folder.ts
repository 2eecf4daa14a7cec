import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { fail, type Outcome } from '#model/fault.ts'

/** A folder that is the truth about a site: what runs there, and what must never start again. */
export type KeptFolder = {
  readonly root: string
  /** The folder of an order. */
  order(token: string): string
  retired: string
}

/** Says that a site is there: where it cannot be read, its disk is away, and the site does not answer. */
export const marker = ({ root }: Pick<KeptFolder, 'root'>): string => join(root, 'site.json')

/**
 * Asks a site something, once `prepare` has made its folder if it never was. It answers only if it is there before and
 * after: what was read while it went away is not true. Ends soon after `signal` aborts; disks that are full, away or
 * closed to us become faults.
 */
export async function ask<T>(
  { folder, prepare }: { folder: Pick<KeptFolder, 'root'>; prepare: () => Promise<void> },
  signal: AbortSignal,
  question: () => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  const away = fail('unreachable', 'later', `${marker(folder)} cannot be read`)
  const answer = async (): Promise<Outcome<T>> => {
    try {
      await prepare()
      if (!(await isThere(marker(folder)))) return away
      const answered = await question()
      return (await isThere(marker(folder))) ? answered : away
    } catch (error) {
      return (await isThere(marker(folder))) ? diskFault(error, folder.root) : away
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

function diskFault(error: unknown, root: string): ReturnType<typeof fail> {
  const { code, message } = error as NodeJS.ErrnoException // whatever else it is, it has no code and is thrown
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return fail('no-capacity', 'elsewhere', `the disk of ${root} is full (${message}); free some of it`)
  if (code === 'EMFILE' || code === 'ENFILE' || code === 'EAGAIN' || code === 'ENOMEM')
    return fail('throttled', 'later', `this machine has no more room for processes or files: ${message}`)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return fail('denied', 'never', `we may not use the site's folder: ${message}`)
  if (code === 'ESTALE' || code === 'EIO' || code === 'ETIMEDOUT')
    return fail('unreachable', 'later', `the disk of ${root} does not answer: ${message}`)
  throw error
}

/** Remembers that a token is over: a launch of it that comes late must start nothing. */
export const rememberRetired = ({ retired }: Pick<KeptFolder, 'retired'>, token: string): Promise<void> =>
  writeFile(join(retired, token), '', { mode: 0o600 })

export const wasRetired = ({ retired }: Pick<KeptFolder, 'retired'>, token: string): Promise<boolean> =>
  isThere(join(retired, token))

/** A launch that comes later than this after its retirement would start again; no call is under way so long. */
const rememberedMs = 86_400_000

/** When each site was last rid of what it need not remember; a new process may look again. */
const forgotAt = new Map<string, number>()

/** The memory of the retired is bounded by age; looking once an hour is enough. */
export async function forgetOld(folder: Pick<KeptFolder, 'root' | 'retired'>): Promise<void> {
  const now = Date.now()
  if (now < (forgotAt.get(folder.root) ?? 0) + 3_600_000) return
  forgotAt.set(folder.root, now)
  for (const token of await readdir(folder.retired)) {
    const path = join(folder.retired, token)
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: now }))
    if (now - mtimeMs > rememberedMs) await rm(path, { force: true })
  }
}

/** Names that are safe as a folder and as the name of a job: what is not cannot be a token of ours. */
export const isToken = (token: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(token)

export const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** A JSON file, or nothing where there is none (yet) or only part of one. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T // written by ourselves, by our agent or by who leads the gang
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
