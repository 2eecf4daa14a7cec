import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { findWorkload, hasEnded, projectQuery, workloadParams } from '#api/find.ts'
import type { ApiHouse } from '#api/house.ts'
import { merged, prefixed, rankLog, type LogWanted } from '#api/log-stream.ts'
import { bareAnswer, type Api } from '#api/openapi.ts'
import { notFound, Problem } from '#api/problem.ts'
import { streamed } from '#api/streams.ts'

/** Ranks whose logs are read side by side. */
const mostRanks = 256

const logs = createRoute({
  method: 'get',
  path: '/v1/workloads/{workload}/logs',
  tags: ['workloads'],
  summary: 'What a rank wrote, whether it still runs or not.',
  request: {
    params: workloadParams,
    query: z.object({
      ...projectQuery,
      rank: z
        .union([z.literal('all'), z.coerce.number().int().min(0).max(100_000)])
        .default(0)
        .meta({ description: 'A rank, or `all`, with `[rank] ` before each line.' }),
      attempt: z.coerce.number().int().min(1).optional().meta({ description: 'Its number; the latest without it.' }),
      replica: z.coerce.number().int().min(0).default(0),
      from: z.coerce.number().int().min(0).default(0).meta({ description: 'Byte to begin with.' }),
      follow: z.enum(['true', 'false']).default('false').meta({
        description: 'Go on while it grows, over to later attempts, until the workload has ended.',
      }),
    }),
  },
  responses: bareAnswer('Its bytes, as they come.', 'text/plain'),
})

export function logRoutes(app: Api, house: ApiHouse): void {
  app.openapi(logs, async (c) => {
    const query = c.req.valid('query')
    const row = await findWorkload(house, c.req.valid('param').workload, query.project)
    const attempts = await house.store.workloads.attempts(row.id)
    const own = attempts.filter(({ replica }) => replica === query.replica).toSorted((a, b) => b.number - a.number)
    const follow = query.follow === 'true'
    if (query.attempt !== undefined && !attempts.some(({ number }) => number === query.attempt))
      throw notFound(`"${row.name}" has no attempt ${query.attempt}.`, `isobar describe ${row.id}`)
    if (!own[0] && !follow && !hasEnded(row))
      throw new Problem('not-found', `"${row.name}" has written nothing yet: it has not started.`, {
        next: [`isobar why ${row.id}`],
        retryable: true,
      })
    const attempt = query.attempt ?? own[0]?.number ?? 1
    const ranks = row.spec.nodes
    if (query.rank !== 'all' && query.rank >= ranks)
      throw notFound(`"${row.name}" has the ranks 0 to ${ranks - 1}.`, `isobar logs ${row.id} --rank 0`)
    if (query.rank === 'all' && ranks > mostRanks)
      throw new Problem('usage', `All ranks at once are shown of up to ${mostRanks} nodes.`, {
        next: [`isobar logs ${row.id} --rank 0`],
      })
    const signal = AbortSignal.any([c.req.raw.signal, house.closing])
    const wanted = { workload: row.id, replica: query.replica, attempt, from: query.from, follow }
    c.header('Content-Type', 'text/plain; charset=utf-8')
    c.header('Cache-Control', 'no-store')
    c.header('Isobar-Log-Offset', String(query.from))
    c.header('Isobar-Log-Attempt', String(attempt))
    return c.body(streamed(chosen(house, { wanted, rank: query.rank, ranks, signal })))
  })
}

type Chosen = { wanted: Omit<LogWanted, 'rank'>; rank: number | 'all'; ranks: number; signal: AbortSignal }

function chosen(house: ApiHouse, { wanted, rank, ranks, signal }: Chosen): AsyncGenerator<Uint8Array, void> {
  if (rank !== 'all') return rankLog(house, { ...wanted, rank }, signal)
  return merged(
    Array.from({ length: ranks }, (_, one) => prefixed(one, rankLog(house, { ...wanted, rank: one }, signal))),
  )
}
