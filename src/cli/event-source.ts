import type { EventView } from '#api/views.ts'

import { Unreachable } from './fault.ts'
import type { Query } from './client.ts'
import type { Session } from './session.ts'

/** A line of a stream longer than this is no event of ours. */
const mostLine = 4 * 1024 * 1024
/** A stream of the server says something every 15 seconds. */
export const heartbeatsMissedMs = 45_000

/**
 * Events as they happen, without gaps: when the stream breaks off it is opened again behind the last event seen
 * (server-sent events, WHATWG HTML §9.2). Ends with the signal.
 */
export async function* eventsOf(
  session: Session,
  { query, signal }: { query: Query; signal: AbortSignal },
): AsyncGenerator<EventView> {
  let last: string | undefined
  while (!signal.aborted) {
    const headers: Record<string, string> = { accept: 'text/event-stream' }
    if (last !== undefined) headers['last-event-id'] = last
    const asked = last === undefined ? query : { ...query, after: undefined }
    const options = { query: asked, headers, signal, silenceMs: heartbeatsMissedMs }
    try {
      const response = await session.keep((api) => api.open('GET', '/v1/events', options), signal)
      for await (const event of parseEvents(response)) {
        last = event.cursor
        yield event
      }
    } catch (error) {
      if (signal.aborted) return
      // Only a break is healed by opening it again.
      if (!(error instanceof Unreachable) && !isBreak(error)) throw error
    }
  }
}

const isBreak = (error: unknown): boolean => error instanceof Error && 'code' in error

/** The events of a stream; heartbeats and other fields are skipped. */
export async function* parseEvents(stream: AsyncIterable<Uint8Array>): AsyncGenerator<EventView> {
  const decoder = new TextDecoder()
  let rest = ''
  let data: string[] = []
  for await (const bytes of stream) {
    rest += decoder.decode(bytes, { stream: true })
    const lines = rest.split(/\r\n|\n|\r/)
    rest = lines.pop() ?? ''
    if (rest.length > mostLine) throw new Unreachable('the server sent an event that is too long')
    for (const line of lines) {
      if (line.startsWith('data:')) data.push(line.slice(5).trimStart())
      if (line !== '' || data.length === 0) continue
      const event: EventView = JSON.parse(data.join('\n')) // of this shape by the contract of the API
      data = []
      yield event
    }
  }
}
