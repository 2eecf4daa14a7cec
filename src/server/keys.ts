import { createHmac, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type { ApiKeys } from '#api/house.ts'
import { deriveKey } from '#kit/seal.ts'
import type { Secrets } from '#store/settings.ts'
import { ServerProblem } from './server-problem.ts'
import { secretState } from './state-file.ts'

/** What tells one key from another and nothing about it. */
const markOf = (keys: ApiKeys): string =>
  createHmac('sha256', keys.credentials).update('the mark of this key').digest('hex')

/** By what providers that several houses share tell whose a thing is: all control planes of a house have one key. */
export const houseOf = (keys: ApiKeys): string => markOf(keys).slice(0, 12)

/** Refuses a store whose secrets and credentials come from another key: nothing that runs could be spoken to. */
export async function requireSameKey(secrets: Secrets, keys: ApiKeys, path: string): Promise<void> {
  if (await secrets.sameKey(markOf(keys))) return
  throw new ServerProblem(
    'failed',
    `The database belongs to a house with another key than ${path}, so its secrets and agents would be out of reach.\n` +
      'If its key is lost, so are its secrets; delete them in the database, and end what runs: delete from secrets\n' +
      `Start with its key, which is kept with its backups: cp FILE ${path}, isobar serve --key-file FILE, or ISOBAR_KEY_FILE=FILE`,
  )
}

export const keyPath = (options: { home: string; keyFile: string | undefined }): string =>
  options.keyFile ?? join(options.home, 'key')

export const tokenPath = (home: string): string => join(home, 'token')

const makeKey = (): string => randomBytes(32).toString('hex')

/** A key that was named must be there once the house has one: a wrong path would quietly become a new key. */
export async function requireKeyFile(secrets: Secrets, keyFile: string | undefined): Promise<void> {
  if (keyFile === undefined || existsSync(keyFile) || !(await secrets.hasKey())) return
  throw new ServerProblem(
    'failed',
    `There is no ${keyFile}, and the database belongs to a house that has a key already.\n` +
      'If it is lost, so are its secrets; a new one is 32 bytes in hex: openssl rand -hex 32 (mode 0600).\n' +
      'Name the file of the key: isobar serve --key-file FILE, or ISOBAR_KEY_FILE=FILE',
  )
}

/** The token and the keys of a house: read from the state directory, made there at the first start. */
export function openKeys(options: { home: string; keyFile: string | undefined; token: string | undefined }): ApiKeys {
  const path = keyPath(options)
  const text = secretState(path, makeKey)
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new ServerProblem(
      'failed',
      `${path} is not a key of 64 hexadecimal digits; secrets that were sealed with the right one need that one.\n` +
        `Restore it from your backup, or make a new one and set all secrets again: rm ${path}`,
    )
  const key = Buffer.from(text, 'hex')
  return {
    token: options.token ?? secretState(tokenPath(options.home), makeKey),
    secrets: deriveKey(key, 'secrets'),
    credentials: deriveKey(key, 'credentials'),
    bundles: deriveKey(key, 'bundles'),
  }
}
