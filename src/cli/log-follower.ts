import type { IncomingMessage } from 'node:http'

import type { WorkloadDetail } from '#api/views.ts'

import { workloadPath, type Api } from './client.ts'
import { Unreachable } from './fault.ts'
import { hasEnded } from './output/words.ts'
import type { Session } from './session.ts'

export type LogQuery = { rank: string; replica?: string; attempt?: string; from?: string; project?: string }
export type Sink = (bytes: Uint8Array) => Promise<void>

/** Time between two looks at a log whose stream ended although its workload has not. */
const pauseMs = 200

/**
 * Hands a log over as it grows, across attempts, until the workload has ended and all was read. When the stream breaks
 * off it goes on where it stopped, so that no byte is shown twice or left out.
 */
export async function followLog(
  session: Session,
  { workload, query, sink, signal }: { workload: string; query: LogQuery; sink: Sink; signal: AbortSignal },
): Promise<void> {
  let place: Place | undefined
  while (!signal.aborted) {
    const was: Place | undefined = place
    try {
      place = await session.keep(async (api) => {
        const at = was ? await placeNow(api, { workload, query, place: was }) : undefined
        const asked = at ? { ...query, attempt: at.attempt, from: at.bytes } : query
        const options = { query: { ...asked, follow: true }, signal, silenceMs: 0 }
        const response = await api.open('GET', workloadPath(workload, '/logs'), options)
        const begun = at ?? {
          attempt: Number(response.headers['isobar-log-attempt'] ?? 1),
          bytes: Number(response.headers['isobar-log-offset'] ?? 0),
        }
        return pass(response, begun, sink)
      }, signal)
      const now = await session.keep((api) => api.get<WorkloadDetail>(workloadPath(workload)), signal)
      if (hasEnded(now) && !place.broken) return
    } catch (error) {
      if (signal.aborted) return
      throw error
    }
    await new Promise((resolve) => {
      setTimeout(resolve, pauseMs)
    })
  }
}

/** How far a log was read: so many bytes, counted from the beginning of an attempt and on through later ones. */
type Place = { attempt: number; bytes: number; broken: boolean }

async function pass(response: IncomingMessage, begun: { attempt: number; bytes: number }, sink: Sink): Promise<Place> {
  let bytes = begun.bytes
  try {
    for await (const part of response) {
      const piece: Buffer = part
      await sink(piece)
      bytes += piece.length
    }
    return { ...begun, bytes, broken: false }
  } catch {
    return { ...begun, bytes, broken: true }
  }
}

/** The attempt in which a place now lies, and the byte within it: one stream may have led through several attempts. */
async function placeNow(
  api: Api,
  { workload, query, place }: { workload: string; query: LogQuery; place: Place },
): Promise<{ attempt: number; bytes: number }> {
  const { attemptList } = await api.get<WorkloadDetail>(workloadPath(workload))
  const replica = Number(query.replica ?? 0)
  const later = attemptList
    .filter((attempt) => attempt.replica === replica && attempt.number > place.attempt)
    .map(({ number }) => number)
    .toSorted((a, b) => a - b)
  let { attempt, bytes } = place
  for (const next of later) {
    const length = await lengthOf(api, { workload, query: { ...query, attempt: String(attempt), from: '0' } })
    if (bytes < length) break
    bytes -= length
    attempt = next
  }
  return { attempt, bytes }
}

async function lengthOf(api: Api, { workload, query }: { workload: string; query: LogQuery }): Promise<number> {
  const response = await api.open('GET', workloadPath(workload, '/logs'), { query })
  let length = 0
  try {
    for await (const part of response) length += (part as Buffer).length // bytes, for no encoding was set
  } catch (error) {
    throw new Unreachable('the server broke off a log', { why: String(error) })
  }
  return length
}

/** Puts a name before every line, for several logs on one stream; lets only whole lines through. */
export function prefixing(prefix: string, sink: Sink): { sink: Sink; end: () => Promise<void> } {
  let rest = Buffer.alloc(0)
  return {
    async sink(bytes) {
      const all = Buffer.concat([rest, bytes])
      const end = all.lastIndexOf(10) + 1
      rest = all.subarray(end)
      if (end > 0)
        await sink(
          Buffer.from(
            all
              .toString('utf8', 0, end - 1)
              .split('\n')
              .map((line) => `${prefix}${line}\n`)
              .join(''),
          ),
        )
    },
    async end() {
      if (rest.length > 0) await sink(Buffer.from(`${prefix}${rest.toString()}\n`))
    },
  }
}
