import type { IncomingMessage } from 'node:http'

import type { LogRecord, WorkloadDetail } from '#api/views.ts'

import { workloadPath, type Api } from './client.ts'
import { heartbeatsMissedMs } from './event-source.ts'
import { hasEnded } from './output/words.ts'
import type { Session } from './session.ts'

export type LogQuery = { rank: string; replica?: string; attempt?: string; from?: string; project?: string }
export type Sink = (bytes: Uint8Array) => Promise<void>

/** Of one rank: takes what it wrote in an attempt, and is told when an attempt of it has ended. */
type Lines = { sink: (bytes: Uint8Array, attempt: number) => Promise<void>; end: () => Promise<void> }
export type LinesOf = (rank: number) => Lines

/** Time between two looks at a log whose stream ended although its workload has not. */
const pauseMs = 200

/** A log whose workload has ended comes at once: a stream that says nothing for so long then leads nowhere. */
const mostQuietMs = 5_000

type Following = {
  workload: string
  query: LogQuery
  lines: LinesOf
  signal: AbortSignal
  /** Aborted when the workload has ended. */
  ended?: AbortSignal
  quietMs?: number
}

/**
 * Hands a log over as it grows, across attempts, until the workload has ended and all was read. When the stream breaks
 * off, or the network has forgotten it, it goes on where it stopped, so that no byte is shown twice or left out.
 */
export async function followLog(
  session: Session,
  { workload, query, lines, signal, ended, quietMs = mostQuietMs }: Following,
): Promise<void> {
  const ranks = new Map<number, Rank>()
  while (!signal.aborted) {
    try {
      const isWhole = await session.keep(async (api) => {
        const { attempt, from, ...rest } = query
        const place = ranks.size > 0 ? { from: placesOf(ranks) } : { attempt, from }
        const stream = quietEnds({ ended, signal, quietMs })
        const silenceMs = heartbeatsMissedMs
        const options = { query: { ...rest, ...place, follow: true, records: true }, silenceMs, signal: stream.signal }
        try {
          return await pass(await api.open('GET', workloadPath(workload, '/logs'), options), (record) => {
            stream.heard()
            return hand(record, ranks, lines)
          })
        } finally {
          stream.close()
        }
      }, signal)
      const now = await session.keep((api) => api.get<WorkloadDetail>(workloadPath(workload)), signal)
      if (hasEnded(now) && isWhole) break
    } catch (error) {
      if (signal.aborted) break
      throw error
    }
    await new Promise((resolve) => {
      setTimeout(resolve, pauseMs)
    })
  }
  for (const rank of ranks.values()) await rank.lines.end()
}

/** What is there of a log, line by line. False when it broke off. */
export async function readLog(
  api: Api,
  { workload, query, lines }: Pick<Following, 'workload' | 'query' | 'lines'>,
): Promise<boolean> {
  const ranks = new Map<number, Rank>()
  const response = await api.open('GET', workloadPath(workload, '/logs'), { query: { ...query, records: true } })
  const isWhole = await pass(response, (record) => hand(record, ranks, lines))
  for (const rank of ranks.values()) await rank.lines.end()
  return isWhole
}

async function hand(
  { rank, attempt, next, bytes }: LogRecord,
  ranks: Map<number, Rank>,
  lines: LinesOf,
): Promise<void> {
  const known = ranks.get(rank) ?? { attempt, next, lines: lines(rank) }
  ranks.set(rank, known)
  if (known.attempt !== attempt) await known.lines.end()
  if (bytes !== '') await known.lines.sink(Buffer.from(bytes, 'base64'), attempt)
  Object.assign(known, { attempt, next })
}

/** A signal that aborts with the one given, and when nothing was heard for long although the workload has ended. */
function quietEnds({
  ended,
  signal,
  quietMs,
}: Required<Pick<Following, 'signal' | 'quietMs'>> & Pick<Following, 'ended'>) {
  const quiet = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const begin = () => {
    clearTimeout(timer)
    timer = setTimeout(() => quiet.abort(), quietMs)
  }
  if (ended?.aborted) begin()
  ended?.addEventListener('abort', begin)
  return {
    signal: AbortSignal.any([signal, quiet.signal]),
    heard: () => {
      if (ended?.aborted) begin()
    },
    close() {
      clearTimeout(timer)
      ended?.removeEventListener('abort', begin)
    },
  }
}

/** How far a rank's log was read, and where its lines go. */
type Rank = { attempt: number; next: number; lines: Lines }

const placesOf = (ranks: Map<number, Rank>): string =>
  [...ranks]
    .toSorted(([a], [b]) => a - b)
    .map(([, { attempt, next }]) => `${attempt}.${next}`)
    .join(',')

/** Takes the records of a stream; false when it broke off. What was cut in half is left for the next one. */
async function pass(response: IncomingMessage, take: (record: LogRecord) => Promise<void>): Promise<boolean> {
  let rest = ''
  response.setEncoding('latin1')
  try {
    for await (const part of response) {
      const whole = (rest + part).split('\n')
      rest = whole.pop() ?? ''
      for (const line of whole) await take(JSON.parse(line) as LogRecord) // of this shape by the contract of the API
    }
    return true
  } catch (error) {
    if (error !== response.errored) throw error
    return false
  }
}

/** As it was written; of all ranks, whole lines that say whose they are. */
export const asWritten =
  (query: LogQuery, sink: Sink): LinesOf =>
  (rank) =>
    query.rank === 'all' ? prefixing(`[${rank}] `, sink) : { sink, end: async () => {} }

/** A line longer than this is passed on in pieces. */
const mostOfLine = 64 * 1024

/** Puts a name before every line, for several logs on one stream; lets only whole lines through. */
export function prefixing(prefix: string, sink: Sink): { sink: Sink; end: () => Promise<void> } {
  let rest = Buffer.alloc(0)
  const end = async () => {
    if (rest.length > 0) await sink(Buffer.from(`${prefix}${rest.toString()}\n`))
    rest = Buffer.alloc(0)
  }
  return {
    end,
    async sink(bytes) {
      const all = Buffer.concat([rest, bytes])
      const whole = all.lastIndexOf(10) + 1
      rest = all.subarray(whole)
      if (whole > 0)
        await sink(
          Buffer.from(
            all
              .toString('utf8', 0, whole - 1)
              .split('\n')
              .map((line) => `${prefix}${line}\n`)
              .join(''),
          ),
        )
      if (rest.length > mostOfLine) await end()
    },
  }
}
