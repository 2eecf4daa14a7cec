import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { seal } from '#kit/seal.ts'
import { EnvironmentName, Name } from '#model/names.ts'
import type { StoredSecret } from '#store/settings.ts'
import { dryRunQuery } from '#api/dry-run.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, bareAnswer, type Api } from '#api/openapi.ts'
import { notFound, Problem } from '#api/problem.ts'
import { readBytes } from '#api/read-bytes.ts'
import { secretOwner } from '#api/secret-owner.ts'
import { time } from '#api/show.ts'
import { checkProject } from '#api/submit.ts'
import { matchHeader, requireMatch, secretTag, tagged } from '#api/tags.ts'
import { SecretList, SecretView } from '#api/views.ts'

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

const get = createRoute({
  method: 'get',
  path: '/v1/secrets/{name}',
  tags: ['secrets'],
  summary: 'Whether there is a secret, and since when; its value is never given back.',
  request: { params, query },
  responses: tagged(answers(200, SecretView, 'There is.')),
})

const changeRequest = { params, query: query.extend(dryRunQuery), headers: matchHeader }

const put = createRoute({
  method: 'put',
  path: '/v1/secrets/{name}',
  tags: ['secrets'],
  summary: 'Keep a secret: the raw body is its value, at most 64 KiB.',
  request: { ...changeRequest, body: { content: { 'application/octet-stream': { schema: z.string() } } } },
  responses: tagged(bareAnswer('Kept, encrypted.')),
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/secrets/{name}',
  tags: ['secrets'],
  summary: 'Forget a secret.',
  request: changeRequest,
  responses: bareAnswer('Forgotten.'),
})

export function secretRoutes(app: Api, house: ApiHouse): void {
  app.openapi(list, async (c) => {
    const { project } = c.req.valid('query')
    const rows = await house.store.secrets.list(project)
    return c.json({ items: rows.map(({ name, updatedAt }) => ({ name, project, updatedAt: time(updatedAt) })) }, 200)
  })

  app.openapi(get, async (c) => {
    const { project } = c.req.valid('query')
    const { name } = c.req.valid('param')
    const secret = await house.store.secrets.find(project, name)
    if (!secret) throw missing(project, name)
    c.header('ETag', secretTag(secret))
    return c.json({ name, project, updatedAt: time(secret.updatedAt) }, 200)
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
    const secret = { name, sealed, updatedAt: house.clock.now() }
    await house.store.secrets.put(project, secret, (present) => requireSame(c.req.valid('header'), present, name))
    c.header('ETag', secretTag(secret))
    return c.body(null, 200)
  })

  app.openapi(remove, async (c) => {
    const { project } = c.req.valid('query')
    const { name } = c.req.valid('param')
    const removed = await house.store.secrets.remove(project, name, (present) => {
      if (present) requireSame(c.req.valid('header'), present, name)
    })
    if (!removed) throw missing(project, name)
    return c.body(null, 200)
  })
}

const missing = (project: string, name: string): Problem =>
  notFound(`Project "${project}" has no secret ${name}.`, 'isobar secret list')

const requireSame = (asked: z.output<typeof matchHeader>, present: StoredSecret | null, name: string): void =>
  requireMatch(asked, present && secretTag(present), { name: `secret ${name}`, look: 'isobar secret list' })

function isText(bytes: Uint8Array): boolean {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).length >= 0
  } catch {
    return false
  }
}
