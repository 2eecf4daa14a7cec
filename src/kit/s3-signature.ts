import { createHash, createHmac } from 'node:crypto'

/** Keys of an account of S3; `sessionToken` where they are temporary, and until when they hold, in ms, where that is known. */
export type S3Keys = { accessKeyId: string; secretAccessKey: string; sessionToken?: string; expiresAt?: number }

export type Unsigned = {
  method: string
  url: URL
  /** By names in lower case; what names the host is added. */
  headers: Record<string, string>
  /** SHA-256 of the body, in hexadecimal. */
  bodyHash: string
  region: string
  keys: S3Keys
  /** When it is sent, by the clock of the server: it takes what is at most 15 minutes off. */
  at: number
}

const algorithm = 'AWS4-HMAC-SHA256'

/**
 * The headers with which a request goes to S3: its own and its signature, which covers all of them and the body. By AWS's
 * Signature Version 4 (Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header").
 */
export function signedHeaders({ method, url, headers, bodyHash, region, keys, at }: Unsigned): Record<string, string> {
  const time = new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const all: Record<string, string> = {
    ...headers,
    'x-amz-content-sha256': bodyHash,
    'x-amz-date': time,
    ...(keys.sessionToken !== undefined && { 'x-amz-security-token': keys.sessionToken }),
  }
  const covered = Object.entries({ ...all, host: url.host }).sort(([one], [other]) => (one < other ? -1 : 1))
  const names = covered.map(([name]) => name).join(';')
  const request = [
    method,
    url.pathname,
    canonicalQuery(url),
    ...covered.map(([name, value]) => `${name}:${value.trim()}`),
    '',
    names,
    bodyHash,
  ].join('\n')
  const scope = [time.slice(0, 8), region, 's3', 'aws4_request']
  const toSign = [algorithm, time, scope.join('/'), sha256(request)].join('\n')
  const key = scope.reduce<string | Buffer>((by, part) => hmac(by, part), `AWS4${keys.secretAccessKey}`)
  const signature = hmac(key, toSign).toString('hex')
  const authorization = `${algorithm} Credential=${keys.accessKeyId}/${scope.join('/')},SignedHeaders=${names},Signature=${signature}`
  return { ...all, authorization }
}

/** Encoded as S3 encodes it: all but letters, digits and `-._~`. */
export const encoded = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)

const canonicalQuery = (url: URL): string =>
  [...url.searchParams]
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join('&')

/** In hexadecimal. */
export const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
