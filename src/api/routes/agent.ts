import { createRoute } from '@hono/zod-openapi'

import { leaseOf } from '#kit/seal.ts'
import { AgentAnswer, AgentReport } from '#model/agent-protocol.ts'
import { GangAnswer, GangAsk } from '#model/gang-relay.ts'
import type { AgentDesk } from '#api/agent-desk.ts'
import { createGangDesk } from '#api/gang-desk.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, bareAnswer, jsonBody, type Api } from '#api/openapi.ts'
import { Problem } from '#api/problem.ts'

const gang = createRoute({
  method: 'post',
  path: '/agent/v1/gang',
  tags: ['agents'],
  summary: 'A gang in a batch job whose nodes see no disk of ours asks for its order, and tells how its ranks are.',
  request: { body: jsonBody(GangAsk) },
  responses: answers(200, GangAnswer, 'What stands in its folder.'),
})

const program = createRoute({
  method: 'get',
  path: '/agent/v1/program',
  tags: ['agents'],
  summary: 'The agent with its Node, for such nodes: a tar archive.',
  responses: bareAnswer('Its bytes.', 'application/x-tar'),
})

const sync = createRoute({
  method: 'post',
  path: '/agent/v1/sync',
  tags: ['agents'],
  summary: 'An agent says how its rank is, and is told what to do. For agents, with the credential of their lease.',
  request: { body: jsonBody(AgentReport) },
  responses: answers(200, AgentAnswer, 'What to do.'),
})

export function agentRoutes(app: Api, house: ApiHouse, desk: AgentDesk): void {
  // Before the body is read.
  app.use('/agent/v1/*', async (c, next) => {
    if (leaseFrom(house, c.req.header('authorization')) === null)
      throw new Problem('unauthenticated', 'The credential is not one of an attempt of this house.')
    await next()
  })

  app.openapi(sync, async (c) => {
    const lease = leaseFrom(house, c.req.header('authorization')) ?? ''
    const signal = AbortSignal.any([c.req.raw.signal, house.closing])
    return c.json(await desk.sync(lease, c.req.valid('json'), signal), 200)
  })

  const gangs = createGangDesk(house)
  app.openapi(gang, async (c) => {
    const lease = leaseFrom(house, c.req.header('authorization')) ?? ''
    const signal = AbortSignal.any([c.req.raw.signal, house.closing])
    return c.json(await gangs.ask(lease, c.req.valid('json'), signal), 200)
  })

  app.openapi(program, async (c) => {
    const lease = leaseFrom(house, c.req.header('authorization')) ?? ''
    c.header('Content-Type', 'application/x-tar')
    return c.body(ReadableStream.from(await gangs.program(lease, c.req.raw.signal)))
  })
}

const leaseFrom = (house: ApiHouse, header = ''): string | null =>
  header.startsWith('Bearer ') && header.length < 300 ? leaseOf(house.keys.credentials, header.slice(7)) : null
