import type { EventView, WorkloadDetail, WorkloadView } from '#api/views.ts'

import { workloadPath, type Api } from './client.ts'
import { eventsOf } from './event-source.ts'
import { CliFault, exitCodes } from './fault.ts'
import { colours, note, paint, plain, type Io } from './io.ts'
import { asWritten, followLog, prefixing, type Sink } from './log-follower.ts'
import { bill } from './outcome.ts'
import { hasEnded } from './output/words.ts'
import { createSession, type Session } from './session.ts'

/** How long the rest of a log may take after its workload has ended. */
const restMs = 20_000

export type Followed = {
  workload: WorkloadView
  rank: string
  /** Put before each line, where several are followed. */
  prefix: string
  sink: Sink
}

/**
 * Follows a workload to its end: its log to `sink`, what happens to it to stderr, the bill last. Returns nothing when it
 * was interrupted.
 */
export async function follow(
  io: Io,
  api: Api,
  followed: Followed & { signal: AbortSignal },
): Promise<WorkloadDetail | undefined> {
  const { workload, rank, prefix, signal } = followed
  const session = createSession(io, api)
  const over = new AbortController()
  const until = AbortSignal.any([signal, over.signal])
  const lines = prefix ? prefixing(prefix, followed.sink) : { sink: followed.sink, end: async () => {} }
  const end = new AbortController()
  const query = { rank }
  const asked = { workload: workload.id, query, lines: asWritten(query, lines.sink), signal: until, ended: end.signal }
  const log = followLog(session, asked).then(() => true)
  const said = new Set<string>()
  const news = tellNews(io, session, { workload, prefix, signal: until, said })
  // Both end with the workload; until then their faults must not go unheard, nor end the process.
  const both = Promise.allSettled([log, news])
  try {
    const ended = await untilEnded(io, session, { workload, prefix, signal, said })
    end.abort()
    const isWhole = await Promise.race([log, settled(restMs, until)])
    await lines.end()
    if (!isWhole && !signal.aborted)
      note(io, `${prefix}the rest of its log did not come in time. next: isobar logs ${workload.id}`)
    note(io, `${prefix}${bill(ended, Date.now())}`)
    return ended
  } catch (error) {
    if (signal.aborted) return undefined
    throw error
  } finally {
    over.abort()
    await both
  }
}

/** False, after a while or with the signal. */
const settled = (milliseconds: number, signal: AbortSignal): Promise<false> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds, false)
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve(false)), { once: true })
  })

/** `said`: what was told already, for a reason comes both as an event and as the state of the workload. */
type Told = { workload: WorkloadView; prefix: string; signal: AbortSignal; said: Set<string> }

/** Whether an event of a job says no more than one of its attempt did. */
function isTold({ type, message }: EventView, said: Set<string>): boolean {
  if (!/^workload\.(starting|running|queued|succeeded|failed)$/.test(type)) return false
  const [, ...because] = message.split(': ')
  return [...said].some((one) => one.endsWith(because.join(': ')))
}

/** Tells what happens to a workload on stderr. */
async function tellNews(io: Io, session: Session, { workload, prefix, signal, said }: Told): Promise<void> {
  const dim = colours(io, 'stderr')
  for await (const event of eventsOf(session, { query: { workload: workload.id }, signal })) {
    const { at, message } = event
    const wasTold = workload.kind === 'job' && isTold(event, said)
    said.add(message)
    if (wasTold) continue
    note(io, paint(`${prefix}${at.slice(11, 19)} ${plain(message)}`, 'dim', dim))
  }
}

/** After so many looks in which nothing was told the server is asked whether it is well. */
const quietLooks = 3

/** Waits for the end, and says why as long as it has not started. */
async function untilEnded(io: Io, session: Session, { workload, prefix, signal, said }: Told): Promise<WorkloadDetail> {
  let started = false
  for (let quiet = 1; ; quiet++) {
    const goal = started ? { for: 'ended', timeoutSeconds: 30 } : { for: 'running', timeoutSeconds: 2 }
    await session.keep((api) => waitOnce(api, { workload: workload.id, goal, signal }), signal)
    const now = await session.keep((api) => api.get<WorkloadDetail>(workloadPath(workload.id)), signal)
    if (hasEnded(now)) return now
    started = now.state === 'running' || now.state === 'stopping'
    if (started || now.reason) quiet = 0
    const why = now.reason || (quiet < quietLooks ? '' : await session.keep(troubleOf, signal))
    if (!started && why && !said.has(why)) note(io, `${prefix}${now.state}: ${plain(why)}`)
    said.add(why)
  }
}

/** Why the server cannot go on with anything, as far as it knows; empty where it is well. */
async function troubleOf(api: Api): Promise<string> {
  try {
    const response = await api.open('GET', '/readyz')
    response.resume()
    return ''
  } catch (error) {
    if (error instanceof CliFault && error.problem) return `${error.message} Next: ${error.next.join(', ')}`
    throw error
  }
}

/** One long poll: whether it got there. */
export async function waitOnce(
  api: Api,
  {
    workload,
    goal,
    signal,
  }: { workload: string; goal: Record<string, string | number | undefined>; signal: AbortSignal },
): Promise<boolean> {
  try {
    const response = await api.open('GET', workloadPath(workload, '/wait'), { query: goal, signal })
    response.resume()
    return true
  } catch (error) {
    if (error instanceof CliFault && error.code === exitCodes.stillRunning) return false
    throw error
  }
}
