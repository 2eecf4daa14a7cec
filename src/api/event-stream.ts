import type { Event } from '#model/event.ts'
import type { ApiHouse } from './house.ts'
import { eventView } from './show.ts'
import { streamed } from './streams.ts'

type Options = {
  filter: { workload?: string; project?: string }
  after: string | null
  most: number
  signal: AbortSignal
}

const heartbeatMs = 15_000

/**
 * Events as they happen (server-sent events, WHATWG HTML §9.2). It reads on only as fast as the client does, a page at
 * a time, so that a slow one costs one page of memory.
 */
export function eventStream(house: ApiHouse, options: Options): Response {
  return new Response(streamed(frames(house, options)), {
    headers: {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    },
  })
}

const encoder = new TextEncoder()

async function* frames(house: ApiHouse, { filter, after, most, signal }: Options): AsyncGenerator<Uint8Array> {
  yield encoder.encode(': hello\nretry: 1000\n\n')
  let cursor = after
  let saidAt = house.clock.now()
  if (cursor === null) {
    const newest = await house.store.events.latest({ most, ...filter })
    if (newest.length > 0) yield encoder.encode(newest.map(frame).join(''))
    cursor = newest.at(-1)?.cursor ?? null
  }
  while (!signal.aborted) {
    const events = await house.store.events.since(cursor, { most, ...filter })
    if (events.length > 0) {
      cursor = events.at(-1)?.cursor ?? cursor
      saidAt = house.clock.now()
      yield encoder.encode(events.map(frame).join(''))
      continue
    }
    const quiet = house.clock.now() - saidAt
    if (quiet >= heartbeatMs) {
      saidAt = house.clock.now()
      yield encoder.encode(': still here\n\n')
    }
    // Looking again after two seconds finds what became readable without a further nudge.
    await house.bell.wait(['events'], Math.min(2000, heartbeatMs - Math.min(quiet, heartbeatMs - 1)), signal)
  }
}

const frame = (event: Event): string =>
  `id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(eventView(event))}\n\n`
