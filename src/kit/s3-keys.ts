import { readFile } from 'node:fs/promises'

import { S3Problem } from './s3-problem.ts'
import type { S3Keys } from './s3-signature.ts'

/** What may say which keys hold, by the names that AWS's own programs read. */
const names = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
] as const
type Name = (typeof names)[number]
export type S3KeySource = Partial<Record<Name, string>>

const mostBytes = 64 * 1024
const hostOfTasks = 'http://169.254.170.2'
/** Where keys are given over plain HTTP: of this machine, of Amazon's tasks and of the Pod Identity of EKS. */
const plainHosts = new Set(['127.0.0.1', 'localhost', '[::1]', '169.254.170.2', '169.254.170.23', '[fd00:ec2::23]'])
const renewBeforeMs = 5 * 60_000

/**
 * Reads keys as `~/.aws/credentials` holds them, or lines of an environment: `name = value`, in either case, of one
 * account. Null where there are none.
 */
export function readKeys(text: string): S3KeySource | null {
  const found: S3KeySource = {}
  if (text.length > mostBytes) return null
  for (const line of text.split(/\r?\n/)) {
    const [, word = '', value = ''] = /^\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    const name = names.find((one) => one === word.toUpperCase())
    if (!name || value === '') continue
    if (found[name] !== undefined) return null // of which account?
    found[name] = value.replace(/^(["'])(.*)\1$/, '$2')
  }
  return isSource(found) ? found : null
}

/** The same from an environment: that of a pod whose cluster gives it an identity. */
export const keysIn = (environment: NodeJS.ProcessEnv): S3KeySource =>
  Object.fromEntries(names.flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])))

const isSource = (source: S3KeySource): boolean =>
  (source.AWS_ACCESS_KEY_ID !== undefined && source.AWS_SECRET_ACCESS_KEY !== undefined) ||
  (source.AWS_CONTAINER_CREDENTIALS_FULL_URI ?? source.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI) !== undefined

/**
 * Gives the keys of a source: its own, or temporary ones that it is asked for before they end (AWS SDKs and Tools Reference
 * Guide, "Container credential provider"; CoreWeave's API tokens and Pod Identity give theirs in the same way).
 */
export function keysOf(source: S3KeySource, ask: typeof fetch = fetch): () => Promise<S3Keys> {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: token } = source
  if (accessKeyId !== undefined && secretAccessKey !== undefined)
    return async () => ({ accessKeyId, secretAccessKey, ...(token !== undefined && { sessionToken: token }) })
  let known: Promise<S3Keys> | undefined
  return async () => {
    const keys = await known?.catch(() => undefined)
    if (keys && (keys.expiresAt ?? Infinity) > Date.now() + renewBeforeMs) return keys
    return (known = askFor(source, ask))
  }
}

async function askFor(source: S3KeySource, ask: typeof fetch): Promise<S3Keys> {
  const { AWS_CONTAINER_AUTHORIZATION_TOKEN: token, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file } = source
  const url = addressIn(source)
  if (!url)
    throw new S3Problem('nothing says with which keys the store is to be opened', {
      fix: 'name a secret at the site (checkpointsSecret), or give the pods an identity (serviceAccount)',
    })
  const authorization = file === undefined ? token : (await readFile(file, 'utf8')).trim()
  try {
    const answer = await ask(url, {
      headers: authorization === undefined ? {} : { authorization },
      signal: AbortSignal.timeout(10_000),
    })
    if (!answer.ok) throw new Error(`it answers ${answer.status}`)
    const told = (await answer.json()) as Record<string, unknown> // checked below
    const text = (name: string) => (typeof told[name] === 'string' ? told[name] : undefined)
    const [accessKeyId, secretAccessKey, sessionToken] = [text('AccessKeyId'), text('SecretAccessKey'), text('Token')]
    if (accessKeyId === undefined || secretAccessKey === undefined) throw new Error('there are no keys in its answer')
    const expiresAt = Date.parse(text('Expiration') ?? '')
    return {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken !== undefined && { sessionToken }),
      ...(!Number.isNaN(expiresAt) && { expiresAt }),
    }
  } catch (cause) {
    throw new S3Problem(`${url.origin} gives no keys: ${cause instanceof Error ? cause.message : String(cause)}`, {
      fix: 'check its address and the token that it is asked with',
      isPassing: true,
      cause,
    })
  }
}

function addressIn(source: S3KeySource): URL | null {
  const { AWS_CONTAINER_CREDENTIALS_FULL_URI: full, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative } = source
  const text = full ?? (relative === undefined ? undefined : `${hostOfTasks}${relative}`)
  if (text === undefined || !URL.canParse(text)) return null
  const url = new URL(text)
  return url.protocol === 'https:' || (url.protocol === 'http:' && plainHosts.has(url.hostname)) ? url : null
}
