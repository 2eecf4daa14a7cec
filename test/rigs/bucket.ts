import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'

import { type S3Keys, sha256, signedHeaders } from '#kit/s3-signature.ts'
import type { OpenStore } from '#model/checkpoint-store.ts'

// As much of S3 as our client asks for, in this process, for tests that run everywhere. `npm run rig:object-store` runs the
// same tests against a real server.

export type MemoryBucket = {
  store: OpenStore
  objects: Map<string, Buffer>
  /** From now on its keys may only read, or write again. */
  readOnly(is: boolean): void
  close(): Promise<void>
}

const region = 'here'

/** Opens a bucket that refuses whatever is not signed as it should be. */
export async function openMemoryBucket(): Promise<MemoryBucket> {
  const objects = new Map<string, Buffer>()
  const uploads = new Map<string, Buffer[]>()
  let isReadOnly = false
  const keys: S3Keys = { accessKeyId: 'memory', secretAccessKey: randomBytes(20).toString('hex') }
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '', `http://${request.headers.host}`)
    const body = await buffer(request)
    if (!isSigned(request, { url, body, keys }))
      return void response.writeHead(403).end('<Error><Code>SignatureDoesNotMatch</Code></Error>')
    if (isReadOnly && request.method !== 'GET')
      return void response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>')
    serve({ objects, uploads }, { request, url, body }, response)
  }
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const port = typeof bound === 'object' && bound ? bound.port : 0
  return {
    store: {
      endpoint: `http://127.0.0.1:${port}`,
      bucket: 'bucket',
      prefix: 'some/where/',
      region,
      addressing: 'path',
      keys: { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey },
    },
    objects,
    readOnly: (is) => void (isReadOnly = is),
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

type Asked = { url: URL; body: Buffer }

function isSigned({ method = '', headers }: IncomingMessage, { url, body, keys }: Asked & { keys: S3Keys }): boolean {
  const { range, authorization } = headers
  const told = String(headers['x-amz-date']).replace(/^(....)(..)(..T..)(..)(.*)$/, '$1-$2-$3:$4:$5')
  const own: Record<string, string> = range === undefined ? {} : { range }
  const signed = signedHeaders({
    method,
    url,
    headers: own,
    bodyHash: sha256(body),
    region,
    keys,
    at: Date.parse(told),
  })
  return signed['authorization'] === authorization
}

function serve(
  { objects, uploads }: { objects: Map<string, Buffer>; uploads: Map<string, Buffer[]> },
  { request, url, body }: Asked & { request: IncomingMessage },
  response: ServerResponse,
): void {
  const key = decodeURIComponent(url.pathname.slice('/bucket/'.length))
  const query = url.searchParams
  const upload = query.get('uploadId')
  switch (request.method) {
    case 'GET':
      if (query.has('list-type')) return void response.end(listed(objects, query))
      return give(objects.get(key), request.headers.range, response)
    case 'DELETE':
      objects.delete(key)
      return void response.writeHead(204).end()
    case 'POST':
      if (upload === null) {
        uploads.set(key, [])
        return void response.end(`<UploadId>${key}</UploadId>`)
      }
      objects.set(key, Buffer.concat(uploads.get(upload) ?? []))
      return void response.end('<CompleteMultipartUploadResult></CompleteMultipartUploadResult>')
    default:
      if (upload === null) objects.set(key, body)
      else (uploads.get(upload) ?? [])[Number(query.get('partNumber')) - 1] = body
      return void response.setHeader('etag', sha256(body)).end()
  }
}

function give(object: Buffer | undefined, range: string | undefined, response: ServerResponse): void {
  if (!object) return void response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>')
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
  if (from === undefined) return void response.end(object)
  response.writeHead(206).end(object.subarray(Number(from), Number(to) + 1))
}

function listed(objects: ReadonlyMap<string, Buffer>, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? ''
  const below = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort()
  const folderOf = (key: string) => /^[^/]*\//.exec(key.slice(prefix.length))?.[0]
  const isFoldered = query.has('delimiter')
  const keys = below.filter((key) => !isFoldered || folderOf(key) === undefined)
  const folders = isFoldered ? new Set(below.flatMap((key) => folderOf(key) ?? [])) : []
  return [
    ...keys.map((key) => `<Contents><Key>${key.replaceAll('&', '&amp;')}</Key></Contents>`),
    ...[...folders].map((one) => `<CommonPrefixes><Prefix>${prefix}${one}</Prefix></CommonPrefixes>`),
  ].join('')
}
