import { randomBytes } from 'node:crypto'
import { join } from 'node:path'

import type { ApiKeys } from '#api/house.ts'
import { deriveKey } from '#kit/seal.ts'
import { ServerProblem } from './server-problem.ts'
import { secretState } from './state-file.ts'

const makeKey = (): string => randomBytes(32).toString('hex')

/** The token and the keys of a house: read from the state directory, made there at the first start. */
export function openKeys(options: { home: string; keyFile: string | undefined; token: string | undefined }): ApiKeys {
  const path = options.keyFile ?? join(options.home, 'key')
  const text = secretState(path, makeKey)
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new ServerProblem(
      'failed',
      `${path} is not a key of 64 hexadecimal digits; secrets that were sealed with the right one need that one.\n` +
        `Restore it from your backup, or make a new one and set all secrets again: rm ${path}`,
    )
  const key = Buffer.from(text, 'hex')
  return {
    token: options.token ?? secretState(join(options.home, 'token'), makeKey),
    secrets: deriveKey(key, 'secrets'),
    credentials: deriveKey(key, 'credentials'),
    bundles: deriveKey(key, 'bundles'),
  }
}
