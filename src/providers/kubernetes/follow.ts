import { setTimeout as pause } from 'node:timers/promises'

import type { z } from 'zod'

import { backoffMs } from '#kit/backoff.ts'
import { fail, failFor, type Fault } from '#model/fault.ts'
import type { Client, Refused } from './client.ts'
import { eachPage } from './pages.ts'
import { Versioned, WatchLine } from './wire.ts'

/** A kind of objects of a cluster that is followed: listed once, and from then on told of by the API server. */
export type Follower = {
  /** Whether all that came is what is there: it was listed whole, and its watch has lately shown that it lives. */
  isLive(): boolean
  /** Why it is not; null while it is, and while it is only begun. */
  trouble(): Fault | null
  stop(): void
}

type Following<T extends z.ZodType> = {
  client: Client
  /** With a query. */
  path: string
  item: T
  /** It is listed anew: nothing of what came before counts. */
  clear(): void
  put(object: z.output<T>): void
  remove(object: z.output<T>): void
  /** Something came, or whether it lives is another matter now. */
  changed(): void
}

/**
 * A watch is so short that it shows by its end, and by the bookmark that the API server sends two seconds before that,
 * that it lives, however little happens. Whoever is silent for longer is not listened to any more.
 */
const watchSeconds = 15
const silenceMs = 20_000
/** Nothing has been heard for so long: what is known may be old. */
const oldMs = 25_000
/** From the begin of one watch to the next, where they break at once. */
const leastMs = 1_000
/** Who lacks the right is asked again whether he has it, and lists meanwhile. */
const deniedMs = 300_000

type Watched = 'ended' | 'expired' | Refused

export function follow<T extends z.ZodType>(following: Following<T>): Follower {
  const { client, path, item, clear, put, remove, changed } = following
  const ending = new AbortController()
  const { signal } = ending
  let fault: Fault | null = null
  let [isWhole, heardAt] = [false, 0]

  const failed = (why: Fault): void => {
    fault = why
    isWhole = false
    changed()
  }
  const opened = (): void => {
    fault = null
    heardAt = performance.now()
    if (isWhole) return
    isWhole = true
    changed()
  }
  const list = () =>
    eachPage({ client, path, item }, { begin: clear, take: (items) => items.forEach((one) => put(one)) }, signal)

  /** From a version on, until the watch ends; where that was, by `reached`. */
  async function watch(from: string, reached: (version: string) => void): Promise<Watched> {
    const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=${watchSeconds}&resourceVersion=${from}`
    const end = new AbortController()
    let [isExpired, wrong]: [boolean, Fault | null] = [false, null]
    const take = (line: string): void => {
      heardAt = performance.now()
      const { type, object } = WatchLine.parse(JSON.parse(line))
      if (type === 'ERROR') {
        isExpired = true // it is 410, or something that listing tells as well
        return end.abort()
      }
      if (type === 'DELETED') remove(item.parse(object))
      else if (type !== 'BOOKMARK') put(item.parse(object))
      reached(Versioned.parse(object).metadata.resourceVersion)
      if (type !== 'BOOKMARK') changed()
    }
    const line = (text: string): void => {
      try {
        take(text)
      } catch (error) {
        wrong = fail('invalid', 'later', `a watch of ${path} said what is not understood: ${String(error)}`).fault
        end.abort()
      }
    }
    const either = AbortSignal.any([signal, end.signal])
    const seen = await client.stream({ path: `${path}&${query}`, signal: either, silenceMs, opened, line })
    if (wrong) return { ok: false, fault: wrong, refusal: null }
    if (isExpired || (!seen.ok && seen.refusal?.status === 410)) return 'expired'
    return seen.ok ? 'ended' : seen
  }

  async function run(): Promise<void> {
    let version = ''
    for (let failures = 0; !signal.aborted;) {
      const began = performance.now()
      let why: Fault | null = null
      if (version === '') {
        const listed = await list()
        if (listed.ok) version = listed.value
        else why = listed.fault
      }
      if (!why) {
        const heardBefore = heardAt
        const seen = await watch(version, (reached) => (version = reached))
        if (seen === 'expired') [version, isWhole] = ['', false]
        // One that was cut goes on where it was; who was not let in any more is told of.
        else if (seen !== 'ended' && heardAt === heardBefore) why = deniedFor(seen)
        else if (seen !== 'ended' && seen.fault.kind === 'invalid') [why, version] = [seen.fault, '']
      }
      if (signal.aborted) return
      failures = why ? failures + 1 : 0
      if (why) failed(why)
      const restMs = why ? waitMs(why, failures) : Math.max(0, leastMs - (performance.now() - began))
      await pause(restMs, null, { signal, ref: false }).catch(() => undefined)
    }
  }

  void run().catch((error: unknown) => failed(fail('invalid', 'later', `${path}: ${String(error)}`).fault))
  return {
    isLive: () => isWhole && performance.now() < heardAt + oldMs,
    trouble() {
      if (fault) return fault
      const isOld = isWhole && performance.now() >= heardAt + oldMs
      return isOld ? fail('unreachable', 'later', `the watch of ${path} is silent`).fault : null
    },
    stop: () => ending.abort(),
  }
}

const deniedFor = ({ fault, refusal }: Refused): Fault =>
  refusal?.status === 403 ? failFor('denied', deniedMs, fault.detail).fault : fault

const waitMs = ({ retryAfterMs }: Fault, tries: number): number =>
  retryAfterMs ?? backoffMs({ tries, firstMs: 500, mostMs: 10_000, spread: Math.random() })
