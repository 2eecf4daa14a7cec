import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { dirname } from 'node:path'

import { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { SlurmSite } from './config.ts'
import { type Command, type Login, runCommand } from './run-command.ts'

const Claims = z.object({ exp: z.number().optional() })

/** A token that ends this soon is told as ended: a call under way must not outlive it. */
const leastLeftMs = 5_000

/** How tokens are made, and for how long. One is made when less than half of that is left of the last. */
type Renewal = { lifespanMs: number; make(): Promise<Outcome<string>> }

/** Who could make none is asked again after so long. */
const againMs = 30_000

/**
 * The token in a file, read again whenever that changes, so that whoever makes tokens (`scontrol token`, from a timer)
 * need only replace it, or that we replace by `renewal`. Slurm does not say that a token has ended (22.05 fails without a
 * word), so we look ourselves.
 */
export function createTokenFile(path: string, renewal?: Renewal): () => Promise<Outcome<string>> {
  let known: { changed: number; token: string; endsAt: number } | undefined
  const read = async () => {
    const { mtimeMs } = await stat(path)
    if (known?.changed === mtimeMs) return known
    const token = (await readFile(path, 'utf8')).trim().replace(/^SLURM_JWT=/, '')
    known = { changed: mtimeMs, token, endsAt: endOf(token) }
    return known
  }
  let tryAt = -Infinity
  let renewing: Promise<void> | undefined
  /** What helps whoever has no token, and why we could not help ourselves. */
  let help = 'write a new one there: scontrol token lifespan=86400'
  const renew = async (by: Renewal): Promise<void> => {
    const made = await by.make()
    if (made.ok) await replace(path, made.value)
    else help = `a new one was not to be had (${made.fault.detail}); try: scontrol token lifespan=86400`
  }
  const now = async (): Promise<Outcome<string>> => {
    try {
      const { token, endsAt } = await read()
      if (endsAt - Date.now() >= leastLeftMs) return succeed(token)
      const when = Number.isFinite(endsAt) ? `ended at ${new Date(endsAt).toISOString()}` : 'is none'
      return fail('denied', 'later', `the token in ${path} ${when}; ${help}`)
    } catch (error) {
      return fail('denied', 'later', `no token can be read: ${messageOf(error)}; ${help}`)
    }
  }
  return async () => {
    const token = await now()
    if (!renewal || performance.now() < tryAt) return token
    if (token.ok && (known?.endsAt ?? 0) - Date.now() >= renewal.lifespanMs / 2) return token
    renewing ??= renew(renewal)
      .catch((error: unknown) => void (help = `the new one cannot be kept: ${messageOf(error)}`))
      .finally(() => {
        tryAt = performance.now() + againMs
        renewing = undefined
      })
    if (token.ok) return token // it will do until the next is there
    await renewing
    return now()
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

async function replace(path: string, token: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const partial = `${path}.${randomUUID()}`
  await writeFile(partial, `${token}\n`, { mode: 0o600 })
  await rename(partial, path)
}

const mostMakingMs = 10_000

/** The token of a site, which is renewed by itself where it says how long one is to last. */
export function tokenOf(site: Pick<SlurmSite, 'tokenFile' | 'tokenLifespanMs' | 'user' | keyof Login>) {
  const { tokenFile, tokenLifespanMs, user, conf, ssh, sshConfig } = site
  if (tokenLifespanMs === undefined) return createTokenFile(tokenFile)
  // For somebody else only root may have one made.
  const whose = ssh === undefined && user !== userInfo().username ? user : undefined
  return createTokenFile(tokenFile, scontrolTokens({ conf, ssh, sshConfig }, { lifespanMs: tokenLifespanMs, whose }))
}

type Asked = { lifespanMs: number; whose: string | undefined }

/** Tokens as `scontrol token` makes them, where commands of Slurm run. */
function scontrolTokens(login: Login, { lifespanMs, whose }: Asked): Renewal {
  const named = whose === undefined ? [] : [`username=${whose}`]
  const command: Command = ['scontrol', 'token', `lifespan=${Math.ceil(lifespanMs / 1000)}`, ...named]
  return {
    lifespanMs,
    async make() {
      const ended = await runCommand(login, command, { signal: AbortSignal.timeout(mostMakingMs) })
      if (!ended.ok) return ended
      const { code, out, err } = ended.value
      const token = /^SLURM_JWT=(\S+)$/m.exec(out)?.[1]
      if (code === 0 && token !== undefined) return succeed(token)
      return fail('denied', 'later', `scontrol token: ${err.trim().split('\n')[0] || `it ended with ${code}`}`)
    },
  }
}

/** When a token ends, in ms since the epoch; one that nobody can read has ended. */
function endOf(token: string): number {
  try {
    const [, claims = ''] = token.split('.')
    const { exp = Infinity } = Claims.parse(JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')))
    return exp * 1000
  } catch {
    return -Infinity
  }
}
