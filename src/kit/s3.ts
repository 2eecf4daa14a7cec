import { backoffMs } from './backoff.ts'
import { type S3Bucket, urlOf } from './s3-bucket.ts'
import { explainRefusal, S3Problem, unreachable } from './s3-problem.ts'
import { type S3Keys, sha256, signedHeaders } from './s3-signature.ts'

export type S3Options = {
  at: S3Bucket
  /** The keys that hold now; asked for each request. */
  keys: () => Promise<S3Keys>
  fetch?: typeof fetch
  /** How often a request is tried that nobody answers, or with an error of the server's own. */
  tries?: number
  /** Before the first other try, in ms; doubled from one to the next, up to 20 s. */
  firstPauseMs?: number
}

export type S3Page = { keys: string[]; folders: string[]; next: string | null }

type Part = { upload: string; number: number; body: Uint8Array; hash?: string }

type Asking = {
  method: string
  key?: string
  query?: Record<string, string>
  headers?: Record<string, string>
  body?: Uint8Array
  /** Of the body, where it is known already. */
  hash?: string | undefined
}

type Answer = { status: number; headers: Headers; body: Buffer }

const mostPauseMs = 20_000
/** For one request: a part of 16 MiB over the slowest line that is worth using. */
const requestMs = 5 * 60_000

/**
 * The few calls of S3 that a store of files needs, over `fetch`: each is signed with its body, tried again when nobody
 * answers, and throws an `S3Problem` that says what is wrong and what mends it. Bodies are parts, held in memory.
 */
export class S3 {
  readonly #options: S3Options
  /** How far the server's clock is ahead of ours: signatures hold by its clock. */
  #aheadMs = 0

  constructor(options: S3Options) {
    this.#options = options
  }

  /** An object, or some bytes of it; null where there is none. */
  async get(key: string, bytes?: { from: number; count: number }): Promise<Buffer | null> {
    const range = bytes && { range: `bytes=${bytes.from}-${bytes.from + bytes.count - 1}` }
    return this.#ask({ method: 'GET', key, ...(range && { headers: range }) }).then(
      ({ body }) => body,
      (error: unknown) => {
        if (error instanceof S3Problem && error.code === 'NoSuchKey') return null
        throw error
      },
    )
  }

  /** `hash`: SHA-256 of the body in hexadecimal, where it is known. */
  async put(key: string, body: Uint8Array, hash?: string): Promise<void> {
    await this.#ask({ method: 'PUT', key, body, hash })
  }

  /** Removing what is not there is fine. */
  async remove(key: string): Promise<void> {
    await this.#ask({ method: 'DELETE', key })
  }

  /** Up to 1,000 keys that begin so, in order; with `folders`, what lies deeper only by its next folder. */
  async list(prefix: string, { folders = false, next }: { folders?: boolean; next?: string } = {}): Promise<S3Page> {
    const { body } = await this.#ask({
      method: 'GET',
      query: {
        'list-type': '2',
        prefix,
        ...(folders && { delimiter: '/' }),
        ...(next !== undefined && { 'continuation-token': next }),
      },
    })
    const xml = body.toString()
    return {
      keys: textsOf(xml, 'Key'),
      folders: [...xml.matchAll(/<CommonPrefixes>(.*?)<\/CommonPrefixes>/gs)].flatMap(([, one = '']) =>
        textsOf(one, 'Prefix'),
      ),
      next: textsOf(xml, 'NextContinuationToken')[0] ?? null,
    }
  }

  /** Begins an object of several parts, which is there as a whole once it is ended; gives its upload. */
  async begin(key: string): Promise<string> {
    const { body } = await this.#ask({ method: 'POST', key, query: { uploads: '' } })
    const [upload] = textsOf(body.toString(), 'UploadId')
    if (upload === undefined) throw this.#noS3()
    return upload
  }

  /** Sends part `number`, from 1; gives its tag. */
  async part(key: string, { upload, number, body, hash }: Part): Promise<string> {
    const { headers } = await this.#ask({
      method: 'PUT',
      key,
      query: { partNumber: String(number), uploadId: upload },
      body,
      hash,
    })
    return headers.get('etag') ?? ''
  }

  async end(key: string, upload: string, tags: readonly string[]): Promise<void> {
    const parts = tags.map((tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${tag}</ETag></Part>`)
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
    // It may answer 200 before it knows, and tell in the body that it failed.
    const answer = await this.#ask({ method: 'POST', key, query: { uploadId: upload }, body })
    if (textsOf(answer.body.toString(), 'Code').length > 0) throw this.#refusal({ method: 'POST', key }, answer)
  }

  async drop(key: string, upload: string): Promise<void> {
    await this.#ask({ method: 'DELETE', key, query: { uploadId: upload } })
  }

  async #ask(asking: Asking): Promise<Answer> {
    const { tries = 9, firstPauseMs = 200 } = this.#options
    for (let tried = 1; ; tried++) {
      const problem = await this.#once(asking).catch((error: unknown) => {
        if (error instanceof S3Problem) return error
        return unreachable(this.#options.at, error)
      })
      if (!(problem instanceof S3Problem)) return problem
      if (!problem.isPassing || tried >= tries) throw problem
      const wait = backoffMs({ tries: tried, firstMs: firstPauseMs, mostMs: mostPauseMs, spread: Math.random() })
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
  }

  async #once(asking: Asking): Promise<Answer> {
    const { at, keys, fetch: ask = fetch } = this.#options
    const { method, headers = {}, body } = asking
    const url = urlOf(at, asking)
    const response = await ask(url, {
      method,
      headers: signedHeaders({
        method,
        url,
        headers,
        bodyHash: asking.hash ?? sha256(body ?? ''),
        region: at.region,
        keys: await keys(),
        at: Date.now() + this.#aheadMs,
      }),
      ...(body && { body: body as Uint8Array<ArrayBuffer> }), // nobody shares it between threads
      redirect: 'manual',
      signal: AbortSignal.timeout(requestMs),
    })
    const answer = {
      status: response.status,
      headers: response.headers,
      body: Buffer.from(await response.arrayBuffer()),
    }
    const told = Date.parse(answer.headers.get('date') ?? '')
    if (!Number.isNaN(told)) this.#aheadMs = told - Date.now()
    if (answer.status >= 200 && answer.status < 300) return answer
    throw this.#refusal(asking, answer)
  }

  #refusal({ method, key }: Asking, { status, headers, body }: Answer): S3Problem {
    const xml = body.toString('utf8', 0, 64 * 1024)
    const [code = ''] = textsOf(xml, 'Code')
    const [region = headers.get('x-amz-bucket-region') ?? ''] = textsOf(xml, 'Region')
    const [message = ''] = textsOf(xml, 'Message')
    return explainRefusal({ at: this.#options.at, method, key: key ?? '', status, code, message, region })
  }

  #noS3 = (): S3Problem =>
    explainRefusal({ at: this.#options.at, method: 'POST', key: '', status: 200, code: '', message: '', region: '' })
}

const signs: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/** The texts of all elements of that name. S3 answers in elements without attributes that matter. */
const textsOf = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) =>
    text.replaceAll(/&(#?\w+);/g, (whole, sign: string) => signs[sign] ?? signOf(sign) ?? whole),
  )

/** A sign by its number: `#38` or `#x26`. */
function signOf(sign: string): string | undefined {
  const number = Number(sign.replace(/^#x/i, '0x').replace(/^#/, ''))
  return sign.startsWith('#') && number <= 0x10_ff_ff ? String.fromCodePoint(number) : undefined
}
