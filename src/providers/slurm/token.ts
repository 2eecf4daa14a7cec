import { readFile, stat } from 'node:fs/promises'

import { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'

const Claims = z.object({ exp: z.number().optional() })

/** A token that ends this soon is told as ended: a call under way must not outlive it. */
const leastLeftMs = 5_000

/**
 * The token in a file, read again whenever that changes, so that whoever makes tokens (`scontrol token`, from a timer)
 * need only replace it. Slurm does not say that a token has ended (22.05 fails without a word), so we look ourselves.
 */
export function createTokenFile(path: string): () => Promise<Outcome<string>> {
  let known: { changed: number; token: string; endsAt: number } | undefined
  const read = async () => {
    const { mtimeMs } = await stat(path)
    if (known?.changed === mtimeMs) return known
    const token = (await readFile(path, 'utf8')).trim().replace(/^SLURM_JWT=/, '')
    known = { changed: mtimeMs, token, endsAt: endOf(token) }
    return known
  }
  return async () => {
    try {
      const { token, endsAt } = await read()
      if (endsAt - Date.now() >= leastLeftMs) return succeed(token)
      const when = Number.isFinite(endsAt) ? `ended at ${new Date(endsAt).toISOString()}` : 'is none'
      return fail(
        'denied',
        'later',
        `the token in ${path} ${when}; write a new one there: scontrol token lifespan=86400`,
      )
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      return fail('denied', 'later', `no token can be read: ${why}; write one there: scontrol token lifespan=86400`)
    }
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
