import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

import { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { SlurmSite } from './config.ts'
import { type Maker, makerOf } from './make-token.ts'

const Claims = z.object({ exp: z.number().optional(), iat: z.number().optional() })

/** A token that ends this soon is told as ended: a call under way must not outlive it. */
const leastLeftMs = 5_000

/** Who could make none is asked again after so long. */
const againMs = 30_000

/** Somebody hears of an end so long before, or with a tenth of its life left where that is more. */
const warnedMs = 10 * 60_000

/** How new tokens are made; `lifespanMs` where we know for how long. */
type Renewal = { make(): Promise<Outcome<string>>; lifespanMs?: number }

export type TokenFile = {
  /** A token that lasts for one more call. */
  token(): Promise<Outcome<string>>
  /** What nobody has helped against though the token ends soon: when that is, and what helps. Null while all is well. */
  warning(): Promise<string | null>
}

/** Instants in ms since the epoch; a token that never ends ends at Infinity, and one that nobody can read has ended. */
type Kept = { changed: number; token: string; beganAt: number; endsAt: number }

/**
 * The token in a file, read again whenever that changes, so that whoever makes tokens (`scontrol token`, from a timer)
 * need only replace it, or that we replace by `renewal`, with less than half of its life left. Slurm does not say that a
 * token has ended (22.05 fails without a word), so we look ourselves.
 */
export function createTokenFile(path: string, renewal?: Renewal): TokenFile {
  let known: Kept | undefined
  const read = async (): Promise<Kept> => {
    const { mtimeMs } = await stat(path)
    if (known?.changed === mtimeMs) return known
    const token = tokenIn(await readFile(path, 'utf8')) ?? ''
    known = { changed: mtimeMs, token, ...lifeOf(token, mtimeMs) }
    return known
  }
  let tryAt = -Infinity
  let renewing: Promise<void> | undefined
  /** Why we could not help ourselves; null where we can, or are not to. */
  let trouble: string | null = null
  const renew = async ({ make }: Renewal): Promise<void> => {
    const made = await make()
    const isLater = made.ok && endOf(made.value) > (known?.endsAt ?? -Infinity)
    if (made.ok && isLater) await replace(path, made.value)
    if (made.ok) trouble = isLater ? null : 'what makes tokens printed none that ends later'
    else trouble = `a new one was not to be had (${made.fault.detail})`
  }
  const help = () => `${trouble === null ? '' : `${trouble}; `}${fix(path)}`
  const now = async (): Promise<Outcome<string>> => {
    try {
      const { token, endsAt } = await read()
      if (endsAt - Date.now() >= leastLeftMs) return succeed(token)
      const when = Number.isFinite(endsAt) ? `ended at ${new Date(endsAt).toISOString()}` : 'is none'
      return fail('denied', 'later', `the token in ${path} ${when}; ${help()}`)
    } catch (error) {
      return fail('denied', 'later', `no token can be read: ${messageOf(error)}; ${help()}`)
    }
  }
  const renewed = async (by: Renewal): Promise<void> => {
    renewing ??= renew(by)
      .catch((error: unknown) => void (trouble = `the new one cannot be kept (${messageOf(error)})`))
      .finally(() => {
        tryAt = performance.now() + againMs
        renewing = undefined
      })
    await renewing
  }
  return {
    async token() {
      const token = await now()
      if (!renewal || performance.now() < tryAt) return token
      if (token.ok && known && leftOf(known) >= (renewal.lifespanMs ?? lifespanOf(known)) / 2) return token
      const over = renewed(renewal)
      if (token.ok) return token // it will do until the next is there
      await over
      return now()
    },
    async warning() {
      const kept = await read().catch(() => null)
      if (kept === null || leftOf(kept) >= warnedAtOf(kept)) return null
      if (renewal && trouble === null) return null // it is being renewed
      const how = trouble ?? 'nothing renews it'
      return `the token in ${path} ends at ${new Date(kept.endsAt).toISOString()}, and ${how}; ${fix(path)}`
    },
  }
}

const fix = (path: string): string => `write a new one there: scontrol token lifespan=86400 > ${path}`

const leftOf = ({ endsAt }: Kept): number => endsAt - Date.now()
const lifespanOf = ({ beganAt, endsAt }: Kept): number => endsAt - beganAt
/** Of one that is short-lived by intention not before half of its life is over. */
const warnedAtOf = (kept: Kept): number => {
  const lifespan = lifespanOf(kept)
  return Math.min(Math.max(warnedMs, lifespan / 10), lifespan / 2)
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

async function replace(path: string, token: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const partial = `${path}.${randomUUID()}`
  await writeFile(partial, `${token}\n`, { mode: 0o600 })
  await rename(partial, path)
}

/** The token of a site, which is renewed by itself where it says how. */
export const tokenOf = (site: SlurmSite): TokenFile => createTokenFile(site.tokenFile, renewalOf(site) ?? undefined)

/** How a site's token is renewed, with what was made looked at before anybody is given it; null where we do not. */
export function renewalOf(site: SlurmSite): (Renewal & Pick<Maker, 'by' | 'words'>) | null {
  const maker = makerOf(site)
  return maker && { ...maker, make: async () => checked(await maker.print(), maker.by) }
}

function checked(printed: Outcome<string>, by: string): Outcome<string> {
  if (!printed.ok) return printed
  const token = tokenIn(printed.value)
  if (token === null) return fail('denied', 'later', `${by} printed no token`)
  const endsAt = endOf(token)
  if (endsAt - Date.now() >= leastLeftMs) return succeed(token)
  return fail('denied', 'later', `${by} printed a token that ended at ${new Date(endsAt).toISOString()}`)
}

const shape = /^(?:SLURM_JWT=)?([\w-]+\.[\w-]+\.[\w-]+)$/

/** The token in what `scontrol token` prints, or that stands alone; null where there is none. */
function tokenIn(text: string): string | null {
  const [token = null] = text.split('\n').flatMap((line) => shape.exec(line.trim())?.[1] ?? [])
  return token
}

/** When a token ends, in ms since the epoch. */
export const endOf = (token: string): number => lifeOf(token, 0).endsAt

/** Where a token does not say when it was made, it is taken to be as old as its file. */
function lifeOf(token: string, writtenAt: number): { beganAt: number; endsAt: number } {
  try {
    const [, claims = ''] = token.split('.')
    const { exp, iat } = Claims.parse(JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')))
    return { beganAt: iat === undefined ? writtenAt : iat * 1000, endsAt: exp === undefined ? Infinity : exp * 1000 }
  } catch {
    return { beganAt: writtenAt, endsAt: -Infinity }
  }
}
