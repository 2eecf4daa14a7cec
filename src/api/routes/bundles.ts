import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { sameText } from '#kit/seal.ts'
import { BlobError, contentName, contentOf } from '#providers/blobs/blobs.ts'
import { bundleSignature } from '#api/bundle-address.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, bareAnswer, type Api } from '#api/openapi.ts'
import { notFound, Problem } from '#api/problem.ts'
import { Sha256 } from '#api/views.ts'

const BundleView = z.object({ hash: z.string(), size: z.int() }).meta({ id: 'Bundle' })

const mostBytes = 2 * 1024 ** 3
const params = z.object({ hash: Sha256 })

const head = createRoute({
  method: 'get',
  path: '/v1/bundles/{hash}',
  tags: ['bundles'],
  summary: 'Whether a bundle is kept already, and its size. HEAD does as well. It stays for an hour at least.',
  request: { params },
  responses: answers(200, BundleView, 'It is.'),
})

const put = createRoute({
  method: 'put',
  path: '/v1/bundles/{hash}',
  tags: ['bundles'],
  summary: 'Keep a packed workdir under the SHA-256 of its bytes; at most 2 GiB.',
  request: { params, body: { content: { 'application/octet-stream': { schema: z.string() } } } },
  responses: answers(201, BundleView, 'Kept.'),
})

const fetchBlob = createRoute({
  method: 'get',
  path: '/blobs/{hash}',
  tags: ['bundles'],
  summary: 'A bundle, for whoever holds a signed address; the address expires.',
  security: [],
  request: {
    params,
    query: z.object({
      expires: z.coerce.number().int().meta({ description: 'Milliseconds since the epoch.' }),
      signature: Sha256,
    }),
  },
  responses: bareAnswer('Its bytes.', 'application/octet-stream'),
})

export function bundleRoutes(app: Api, house: ApiHouse): void {
  app.openapi(head, async (c) => {
    const { hash } = c.req.valid('param')
    // Who asks is about to submit work that needs it.
    const size = await house.blobs.touch(contentName(hash))
    if (size === null) throw notFound(`There is no bundle ${hash}.`)
    return c.json({ hash, size }, 200)
  })

  app.openapi(put, async (c) => {
    const { hash } = c.req.valid('param')
    try {
      const kept = await house.blobs.put(bytesOf(c.req.raw), { most: mostBytes, hash })
      return c.json({ hash, size: kept.size }, 201)
    } catch (error) {
      throw error instanceof BlobError ? blobProblem(error) : error
    }
  })

  app.openapi(fetchBlob, async (c) => {
    const { hash } = c.req.valid('param')
    const { expires, signature } = c.req.valid('query')
    if (!sameText(signature, bundleSignature(house.keys.bundles, hash, expires)))
      throw new Problem('forbidden', 'The address of this bundle is not signed by this server.')
    if (expires < house.clock.now()) throw new Problem('forbidden', 'The address of this bundle has expired.')
    const size = await house.blobs.size(contentName(hash))
    if (size === null) throw notFound(`There is no bundle ${hash}.`)
    c.header('Content-Length', String(size))
    c.header('Content-Type', 'application/octet-stream')
    return c.body(ReadableStream.from(contentOf(house.blobs, contentName(hash))))
  })
}

async function* bytesOf(request: Request): AsyncGenerator<Uint8Array> {
  for await (const piece of request.body ?? []) yield piece
}

function blobProblem(error: BlobError): Problem {
  if (error.kind === 'too-large') return new Problem('too-large', `The bundle is too large: ${error.message}.`)
  if (error.kind === 'full')
    return new Problem('unavailable', `The bundle cannot be kept: ${error.message}.`, { next: ['isobar doctor'] })
  if (error.kind === 'denied')
    return new Problem('unavailable', `The bundle cannot be kept: ${error.message}.`, { next: ['isobar doctor'] })
  return new Problem('usage', `The bundle was not taken: ${error.message}.`)
}
