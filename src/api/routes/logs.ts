import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { siteKey } from '#model/site.ts'
import type { ListedWorkload } from '#store/store.ts'
import { findWorkload, hasEnded, projectQuery, workloadParams } from '#api/find.ts'
import type { ApiHouse } from '#api/house.ts'
import { merged, prefixed, rankLog, recorded, type LogPart, type LogWanted } from '#api/log-stream.ts'
import { bareAnswer, type Api } from '#api/openapi.ts'
import { notFound, Problem } from '#api/problem.ts'
import type { ShownAttempt } from '#api/show-attempt.ts'
import { streamed } from '#api/streams.ts'

/** Ranks whose logs are read side by side. */
const mostRanks = 256

const yesOrNo = z.enum(['true', 'false']).default('false')
const query = z.object({
  ...projectQuery,
  rank: z
    .union([z.literal('all'), z.coerce.number().int().min(0).max(100_000)])
    .default(0)
    .meta({ description: 'A rank, or `all`, with `[rank] ` before each line.' }),
  attempt: z.coerce.number().int().min(1).optional().meta({ description: 'Its number; the latest without it.' }),
  replica: z.coerce.number().int().min(0).default(0),
  from: z
    .string()
    .max(8000)
    .regex(/^(\d{1,15}|\d{1,9}\.\d{1,15}(,\d{1,9}\.\d{1,15})*)$/, 'must be a byte, or attempt.byte for each rank')
    .default('0')
    .meta({
      description:
        'Byte to begin with; or, for each rank with commas between, attempt and byte to go on from: `2.1000`.',
    }),
  follow: yesOrNo.meta({
    description: 'Go on while it grows, over to later attempts, until the workload has ended.',
  }),
  records: yesOrNo.meta({
    description:
      'One JSON object a line instead, with which one can go on after a break: `rank`, `attempt`, `bytes` (base64) and `next`, the byte behind them.',
  }),
})

const logs = createRoute({
  method: 'get',
  path: '/v1/workloads/{workload}/logs',
  tags: ['workloads'],
  summary: 'What a rank wrote, whether it still runs or not.',
  request: { params: workloadParams, query },
  responses: bareAnswer('Its bytes, as they come; or records.', 'text/plain'),
})

export function logRoutes(app: Api, house: ApiHouse): void {
  app.openapi(logs, async (c) => {
    const asked = c.req.valid('query')
    const row = await findWorkload(house, c.req.valid('param').workload, asked.project)
    const attempts = await house.store.workloads.attempts(row.id)
    const own = attempts.filter(({ replica }) => replica === asked.replica).toSorted((a, b) => b.number - a.number)
    const follow = asked.follow === 'true'
    if (asked.attempt !== undefined && !attempts.some(({ number }) => number === asked.attempt))
      throw notFound(`"${row.name}" has no attempt ${asked.attempt}.`, `isobar describe ${row.id}`)
    if (!own[0] && !follow && !hasEnded(row))
      throw new Problem('not-found', `"${row.name}" has written nothing yet: it has not started.`, {
        next: [`isobar why ${row.id}`],
        retryable: true,
      })
    const attempt = asked.attempt ?? own[0]?.number ?? 1
    const places = placesOf(row, { ...asked, attempt })
    if (!follow) await requireReach(house, row, { attempt: own.find(({ number }) => number === attempt), places })
    const signal = AbortSignal.any([c.req.raw.signal, house.closing])
    const read = ({ rank, ...place }: Place) =>
      rankLog(house, { workload: row.id, replica: asked.replica, ...place, rank, follow }, signal)
    const records = asked.records === 'true'
    const render = records ? recorded : asked.rank === 'all' ? prefixed : plain
    c.header('Content-Type', records ? 'application/x-ndjson' : 'text/plain; charset=utf-8')
    c.header('Cache-Control', 'no-store')
    return c.body(streamed(merged(places.map((place) => render(place.rank, read(place))))))
  })
}

type Place = Pick<LogWanted, 'rank' | 'attempt' | 'from'>
type Asked = Pick<z.output<typeof query>, 'rank' | 'from'> & { attempt: number }

/** Where to begin with each rank that is asked for. */
function placesOf({ id, name, spec }: ListedWorkload, { rank, from, attempt }: Asked): Place[] {
  if (rank !== 'all' && rank >= spec.nodes)
    throw notFound(`"${name}" has the ranks 0 to ${spec.nodes - 1}.`, `isobar logs ${id} --rank 0`)
  if (rank === 'all' && spec.nodes > mostRanks)
    throw new Problem('usage', `All ranks at once are shown of up to ${mostRanks} nodes.`, {
      next: [`isobar logs ${id} --rank 0`],
    })
  const ranks = rank === 'all' ? Array.from({ length: spec.nodes }, (_, one) => one) : [rank]
  if (!from.includes('.')) return ranks.map((one) => ({ rank: one, attempt, from: Number(from) }))
  const places = from.split(',').map((place) => place.split('.').map(Number))
  if (places.length > ranks.length)
    throw new Problem('usage', `"from" has ${places.length} places for ${ranks.length} ranks.`)
  return ranks.map((one, at) => ({ rank: one, attempt: places[at]?.[0] ?? attempt, from: places[at]?.[1] ?? 0 }))
}

/** A log that is still with a site that does not answer is neither empty nor gone: it says so. */
async function requireReach(
  house: ApiHouse,
  row: ListedWorkload,
  { attempt, places: [first] }: { attempt: ShownAttempt | undefined; places: Place[] },
): Promise<void> {
  const lease = attempt?.lease
  if (!lease || !first || lease.state === 'gone' || lease.state === 'refused') return
  const site = siteKey({ provider: lease.provider, name: lease.site })
  const away = (await house.store.sites.list()).find((one) => one.site === site && one.reach !== 'reachable')
  if (!away || (await house.archive.kept(lease.id, first.rank)).bytes > 0) return
  throw new Problem('unavailable', `${site} does not answer, and what attempt ${attempt.number} wrote is there.`, {
    next: ['isobar sites', `isobar logs ${row.id}`],
    retryable: true,
  })
}

async function* plain(_rank: number, log: AsyncIterable<LogPart>): AsyncGenerator<Uint8Array, void> {
  for await (const { bytes } of log) if (bytes.length > 0) yield bytes
}
