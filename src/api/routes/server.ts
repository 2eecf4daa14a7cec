import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { docsPage } from '#api/docs-page.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, bareAnswer, describe, type Api } from '#api/openapi.ts'
import { Problem } from '#api/problem.ts'
import { time } from '#api/show.ts'
import { DoctorView, ServerView } from '#api/server-views.ts'

const tags = ['server']

const about = createRoute({
  method: 'get',
  path: '/v1/server',
  tags,
  summary: 'Which server this is, and the others on the same store.',
  responses: answers(200, ServerView, 'The server.'),
})

const stop = createRoute({
  method: 'post',
  path: '/v1/server/stop',
  tags,
  summary: 'End this server; what runs goes on, and the next server takes it over.',
  responses: answers(200, z.object({ stopping: z.literal(true) }), 'It ends soon.'),
})

const doctor = createRoute({
  method: 'get',
  path: '/v1/doctor',
  tags,
  summary: 'What is wrong with this machine and its providers, and how to mend it.',
  responses: answers(200, DoctorView, 'Checks.'),
})

const health = createRoute({
  method: 'get',
  path: '/healthz',
  tags,
  summary: 'Whether the process is alive.',
  security: [],
  responses: answers(200, z.object({ status: z.literal('alive') }), 'It is.'),
})

const ready = createRoute({
  method: 'get',
  path: '/readyz',
  tags,
  summary: 'Whether the store answers and the loops run.',
  security: [],
  responses: answers(200, z.object({ status: z.literal('ready') }), 'They do.'),
})

const metrics = createRoute({
  method: 'get',
  path: '/metrics',
  tags,
  summary: "Figures in Prometheus' text format.",
  responses: bareAnswer('Figures.', 'text/plain'),
})

export function serverRoutes(app: Api, house: ApiHouse): void {
  app.openapi(about, (c) =>
    c.json(
      {
        version: house.self.version,
        id: house.self.id,
        url: house.self.url(),
        database: house.self.database,
        since: time(house.self.since),
        controlPlanes: house.self.controlPlanes(),
      },
      200,
    ),
  )

  app.openapi(stop, (c) => {
    house.self.stop()
    return c.json({ stopping: true as const }, 200)
  })

  app.openapi(doctor, async (c) => c.json({ checks: await house.self.doctor() }, 200))

  app.openapi(health, (c) => c.json({ status: 'alive' as const }, 200))

  app.openapi(ready, async (c) => {
    const missing = await house.self.notReady()
    if (missing.length > 0)
      throw new Problem('unavailable', `Not ready: ${missing.join('; ')}.`, { next: ['isobar doctor'] })
    return c.json({ status: 'ready' as const }, 200)
  })

  app.openapi(metrics, async (c) => {
    c.header('Content-Type', 'text/plain; version=0.0.4; charset=utf-8')
    return c.body(await house.count.text())
  })

  let description: string | undefined
  app.get('/openapi.json', (c) => {
    description ??= JSON.stringify(describe(app, house.self.version), null, 2)
    c.header('Content-Type', 'application/json')
    return c.body(description)
  })
  app.get('/docs', (c) => {
    // The page brings its own script and style and asks only this server.
    c.header(
      'Content-Security-Policy',
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
    )
    return c.html(docsPage)
  })
  app.get('/', (c) => c.redirect('/docs'))
}
