import type { Lease } from '#model/lease.ts'
import type { LogChunk } from '#providers/provider.ts'
import { hasEnded } from './find.ts'
import type { ApiHouse } from './house.ts'
import { isLive, type ShownAttempt } from './show-attempt.ts'
import type { LogRecord } from './views.ts'

/** Which log to read: of one rank, from a byte on; `follow` goes on while it grows, and over to later attempts. */
export type LogWanted = {
  workload: string
  replica: number
  /** The attempt to begin with. */
  attempt: number
  rank: number
  from: number
  follow: boolean
}

/** Some of a rank's log: of which attempt, and the byte to go on from behind it. */
export type LogPart = { attempt: number; next: number; bytes: Uint8Array }

/** Most bytes of one read. */
const most = 256 * 1024
/** Time between two looks at a log that did not grow: doubled each time while it is quiet. */
const pause = { firstMs: 75, mostMs: 600 }

/**
 * A rank's log: what the archive has first, the rest from the provider; both count its bytes alike. The first part has
 * no bytes and says only where it begins. Ends with the signal.
 */
export async function* rankLog(house: ApiHouse, wanted: LogWanted, signal: AbortSignal): AsyncGenerator<LogPart, void> {
  yield { attempt: wanted.attempt, next: wanted.from, bytes: new Uint8Array() }
  let attempt = await attemptOf(house, wanted, wanted.attempt)
  let from = wanted.from
  while (!signal.aborted) {
    if (attempt) yield* attemptLog(house, { attempt, rank: wanted.rank, from, follow: wanted.follow }, signal)
    if (!wanted.follow) return
    const next = await nextAttempt(house, wanted, { after: attempt?.number ?? wanted.attempt - 1, signal })
    if (!next) return
    attempt = next
    from = 0
  }
}

const attemptOf = async (house: ApiHouse, wanted: LogWanted, number: number): Promise<ShownAttempt | null> =>
  (await house.store.workloads.attempts(wanted.workload)).find((one) => one.number === number) ?? null

/** The first attempt of the replica after that one, once there is one; null when none will come. */
async function nextAttempt(
  house: ApiHouse,
  wanted: LogWanted,
  { after, signal }: { after: number; signal: AbortSignal },
): Promise<ShownAttempt | null> {
  while (!signal.aborted) {
    // The state is read first: what ended before it has all its attempts.
    const row = await house.store.workloads.get(wanted.workload)
    const attempts = await house.store.workloads.attempts(wanted.workload)
    const later = attempts
      .filter(({ number, replica }) => number > after && replica === wanted.replica)
      .toSorted((a, b) => a.number - b.number)
    if (later[0]) return later[0]
    if (!row || hasEnded(row)) return null
    await house.bell.wait(['events'], 1000, signal)
  }
  return null
}

type Part = { attempt: ShownAttempt; rank: number; from: number; follow: boolean }

async function* attemptLog(house: ApiHouse, part: Part, signal: AbortSignal): AsyncGenerator<LogPart, void> {
  let lease = part.attempt.lease
  let from = part.from
  let pauseMs = pause.firstMs
  while (lease && !signal.aborted) {
    const chunk = await readNext(house, lease, { rank: part.rank, from, signal })
    if (chunk && chunk.bytes.length > 0) {
      const dropped = chunk.from - from
      from = chunk.from + chunk.bytes.length
      yield { attempt: part.attempt.number, next: from, bytes: dropped > 0 ? after(dropped, chunk.bytes) : chunk.bytes }
      pauseMs = pause.firstMs
      continue
    }
    // Before it took the order a provider knows nothing of it, and says of nothing that it has ended.
    const isKnown = lease.state !== 'wanted'
    if (!part.follow || (isKnown && chunk?.end) || !isLive(lease)) return
    await house.clock.sleep(pauseMs, signal)
    pauseMs = Math.min(pause.mostMs, pauseMs * 2)
    if (!chunk || !isKnown) lease = (await attemptById(house, part.attempt))?.lease ?? null
  }
}

/** What stands for output that the provider dropped to keep the log bounded, and what came after it. */
const after = (dropped: number, bytes: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(`[${dropped} bytes of older output were dropped]\n`), bytes])

const attemptById = async (house: ApiHouse, { workload, id }: ShownAttempt): Promise<ShownAttempt | undefined> =>
  (await house.store.workloads.attempts(workload)).find((one) => one.id === id)

type Place = { rank: number; from: number; signal: AbortSignal }

/** What comes next of a log, from the archive or else from the provider. */
async function readNext(house: ApiHouse, lease: Lease, place: Place): Promise<LogChunk | null> {
  const { rank, from } = place
  const archived = () => house.archive.read(lease.id, rank, { from, most })
  const kept = await archived()
  if (kept) return { ...kept, end: false }
  const chunk = await readLive(house, lease, place)
  const hasBytes = chunk !== null && chunk.bytes.length > 0
  if (hasBytes && chunk.from === from) return chunk
  // It may have been moved to the archive, and dropped or retired, between the two looks.
  const late = await archived()
  return late && !(hasBytes && chunk.from < late.from) ? { ...late, end: false } : chunk
}

/** What the provider has of the log; null when it does not answer or the lease is over. */
async function readLive(house: ApiHouse, lease: Lease, { rank, from, signal }: Place): Promise<LogChunk | null> {
  const provider = house.providers.get(lease.provider)
  if (!provider || !isLive(lease)) return null
  const limit = AbortSignal.any([signal, AbortSignal.timeout(5000)])
  const outcome = await provider.logs({ site: lease.site, token: lease.id }, { rank, from, most }, limit)
  return outcome.ok ? outcome.value : null
}

const newline = 10
/** A line longer than this is passed on in pieces. */
const mostOfLine = 64 * 1024

/** Puts `[rank] ` in front of every line, and lets only whole lines through, so that ranks do not mix within one. */
export async function* prefixed(rank: number, log: AsyncIterable<LogPart>): AsyncGenerator<Uint8Array, void> {
  const prefix = Buffer.from(`[${rank}] `)
  let rest: Uint8Array = new Uint8Array()
  let current = 0
  for await (const { attempt, bytes } of log) {
    const pieces: Uint8Array[] = []
    if (attempt !== current && rest.length > 0) {
      pieces.push(prefix, rest, Buffer.of(newline))
      rest = new Uint8Array()
    }
    current = attempt
    let text = rest.length > 0 ? Buffer.concat([rest, bytes]) : Buffer.from(bytes)
    for (let end = text.indexOf(newline); end !== -1; end = text.indexOf(newline)) {
      pieces.push(prefix, text.subarray(0, end + 1))
      text = text.subarray(end + 1)
    }
    if (text.length > mostOfLine) {
      pieces.push(prefix, text, Buffer.of(newline))
      text = Buffer.alloc(0)
    }
    rest = text
    if (pieces.length > 0) yield Buffer.concat(pieces)
  }
  if (rest.length > 0) yield Buffer.concat([prefix, rest, Buffer.of(newline)])
}

/** Who follows a log that says nothing hears so often that somebody is still there. */
export const heartbeatMs = 15_000

/** One JSON object a line, from which a reader knows where to go on; while nothing comes, one without bytes now and then. */
export async function* recorded(
  rank: number,
  log: AsyncIterator<LogPart, void>,
  everyMs = heartbeatMs,
): AsyncGenerator<Uint8Array, void> {
  let last: LogPart | undefined
  try {
    for (let coming = log.next(); ;) {
      const come = await within(everyMs, coming)
      if (come?.done) return
      if (come) {
        last = come.value
        coming = log.next()
      }
      if (last) yield recordOf(rank, come ? last : { ...last, bytes: new Uint8Array() })
    }
  } finally {
    await log.return?.()
  }
}

function recordOf(rank: number, { attempt, next, bytes }: LogPart): Uint8Array {
  const record: LogRecord = { rank, attempt, next, bytes: Buffer.from(bytes).toString('base64') }
  return Buffer.from(`${JSON.stringify(record)}\n`)
}

/** What is promised, or null if it takes longer. */
async function within<T>(milliseconds: number, promised: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, milliseconds, null)
  })
  try {
    return await Promise.race([promised, late])
  } finally {
    clearTimeout(timer)
  }
}

type Pieces = AsyncGenerator<Uint8Array, void>

/**
 * Takes from several streams whatever comes first, one piece of each at a time. `Promise.race` would do it, but would keep
 * all that was ever read for as long as one of them is silent.
 */
export async function* merged(streams: Pieces[]): AsyncGenerator<Uint8Array, void> {
  const come: { stream: Pieces; result: Promise<IteratorResult<Uint8Array, void>> }[] = []
  let wake: (() => void) | undefined
  const pull = (stream: Pieces): void => {
    const result = stream.next()
    const settled = () => {
      come.push({ stream, result })
      wake?.()
    }
    result.then(settled, settled)
  }
  for (const stream of streams) pull(stream)
  try {
    for (let open = streams.length; open > 0;) {
      const next = come.shift()
      if (!next) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      const { done, value } = await next.result
      if (done) {
        open--
        continue
      }
      pull(next.stream)
      yield value
    }
  } finally {
    for (const stream of streams) void stream.return()
  }
}
