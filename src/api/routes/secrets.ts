import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { seal } from '#kit/seal.ts'
import { EnvironmentName, Name } from '#model/names.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, bareAnswer, type Api } from '#api/openapi.ts'
import { notFound, Problem } from '#api/problem.ts'
import { readBytes } from '#api/read-bytes.ts'
import { secretOwner } from '#api/secret-owner.ts'
import { time } from '#api/show.ts'
import { checkProject } from '#api/submit.ts'
import { SecretList } from '#api/views.ts'

const mostBytes = 64 * 1024
const query = z.object({ project: Name.default('default') })
const params = z.object({ name: EnvironmentName })

const list = createRoute({
  method: 'get',
  path: '/v1/secrets',
  tags: ['secrets'],
  summary: 'Names of secrets; their values are never given back.',
  request: { query },
  responses: answers(200, SecretList, 'The secrets of the project.'),
})

const put = createRoute({
  method: 'put',
  path: '/v1/secrets/{name}',
  tags: ['secrets'],
  summary: 'Keep a secret: the raw body is its value, at most 64 KiB.',
  request: { params, query, body: { content: { 'application/octet-stream': { schema: z.string() } } } },
  responses: bareAnswer('Kept, encrypted.'),
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/secrets/{name}',
  tags: ['secrets'],
  summary: 'Forget a secret.',
  request: { params, query },
  responses: bareAnswer('Forgotten.'),
})

export function secretRoutes(app: Api, house: ApiHouse): void {
  app.openapi(list, async (c) => {
    const { project } = c.req.valid('query')
    const rows = await house.store.secrets.list(project)
    return c.json({ items: rows.map(({ name, updatedAt }) => ({ name, project, updatedAt: time(updatedAt) })) }, 200)
  })

  app.openapi(put, async (c) => {
    const { project } = c.req.valid('query')
    const { name } = c.req.valid('param')
    const value = await readBytes(c.req.raw, mostBytes)
    // A process' environment is text that ends at a zero byte.
    if (value.includes(0) || !isText(value))
      throw new Problem('usage', `The value of ${name} must be UTF-8 text without zero bytes.`, {
        next: [`base64 <file> | isobar secret set ${name}`],
      })
    await checkProject(house, project)
    const sealed = seal(house.keys.secrets, secretOwner(project, name), value)
    await house.store.secrets.put(project, name, sealed, house.clock.now())
    return c.body(null, 200)
  })

  app.openapi(remove, async (c) => {
    const { project } = c.req.valid('query')
    const { name } = c.req.valid('param')
    if (!(await house.store.secrets.remove(project, name)))
      throw notFound(`Project "${project}" has no secret ${name}.`, 'isobar secret list')
    return c.body(null, 200)
  })
}

function isText(bytes: Uint8Array): boolean {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).length >= 0
  } catch {
    return false
  }
}
