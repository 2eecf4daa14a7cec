import { setTimeout as pause } from 'node:timers/promises'

import type { z } from 'zod'

import { backoffMs } from '#kit/backoff.ts'
import { fail, failFor, type Fault } from '#model/fault.ts'
import type { Client, Refused } from './client.ts'
import { isNone } from './faults.ts'
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
  /** A cluster may not have such objects, or not let us see them: then there are none. */
  isOptional?: boolean
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
/** … once he was told so often: an API server that has just started knows no rights yet. */
const sureTries = 5

type Watched = 'ended' | 'expired' | Refused

export const follow = <T extends z.ZodType>(following: Following<T>): Follower => new Follows(following)

class Follows<T extends z.ZodType> implements Follower {
  readonly #following: Following<T>
  readonly #ending = new AbortController()
  /** From where a watch goes on; '' where it has to be listed first. */
  #version = ''
  #isWhole = false
  #wasWhole = false
  #heardAt = 0
  #fault: Fault | null = null

  constructor(following: Following<T>) {
    this.#following = following
    void this.#run()
  }

  isLive(): boolean {
    if (this.#isNone()) return true
    return this.#isWhole && performance.now() < this.#heardAt + oldMs
  }

  trouble(): Fault | null {
    if (this.#isNone()) return null
    if (this.#fault || !this.#isWhole || this.isLive()) return this.#fault
    return fail('unreachable', 'later', `the watch of ${this.#following.path} is silent`).fault
  }

  stop(): void {
    this.#ending.abort()
  }

  #isNone(): boolean {
    return this.#following.isOptional === true && !this.#wasWhole && this.#fault !== null && isNone(this.#fault)
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending
    for (let failures = 0; !signal.aborted;) {
      const began = performance.now()
      // An object that is not as it should be may be another one soon.
      const why = await this.#turn().catch((error: unknown) => fail('invalid', 'later', String(error)).fault)
      if (signal.aborted) return
      failures = why ? failures + 1 : 0
      if (why) this.#failed(why)
      const restMs = why ? waitMs(why, failures) : Math.max(0, leastMs - (performance.now() - began))
      await pause(restMs, null, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** Lists if need be, and watches until that ends; says why nobody knows any more what is there, or null. */
  async #turn(): Promise<Fault | null> {
    if (this.#version === '') {
      const listed = await this.#list()
      if (!listed.ok) return this.#following.isOptional && isNone(listed.fault) ? awhile(listed.fault) : listed.fault
      this.#version = listed.value
    }
    const heardAt = this.#heardAt
    const seen = await this.#watch()
    if (seen === 'ended') return null
    if (seen === 'expired') {
      this.#version = ''
      this.#isWhole = false
      return null
    }
    if (seen.fault.kind === 'invalid') this.#version = ''
    // One that was only cut goes on where it was.
    return this.#heardAt === heardAt || seen.fault.kind === 'invalid' ? deniedFor(seen) : null
  }

  #list() {
    const { client, path, item, clear, put } = this.#following
    const take = (objects: readonly z.output<T>[]): void => objects.forEach((one) => put(one))
    return eachPage({ client, path, item }, { begin: clear, take }, this.#ending.signal)
  }

  async #watch(): Promise<Watched> {
    const { client, path } = this.#following
    const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=${watchSeconds}&resourceVersion=${this.#version}`
    const end = new AbortController()
    let over: Watched | null = null
    const line = (text: string): void => {
      if (over) return
      try {
        if (!this.#take(text)) over = 'expired'
      } catch (error) {
        const why = `a watch of ${path} said what is not understood: ${String(error)}`
        over = { ...fail('invalid', 'later', why), refusal: null }
      }
      if (over) end.abort()
    }
    const signal = AbortSignal.any([this.#ending.signal, end.signal])
    const opened = (): void => this.#opened()
    const seen = await client.stream({ path: `${path}&${query}`, signal, silenceMs, opened, line })
    if (over) return over
    if (seen.ok) return 'ended'
    return seen.refusal?.status === 410 ? 'expired' : seen
  }

  /** Takes in what a watch says; false when it says that it is too far behind. */
  #take(line: string): boolean {
    const { item, put, remove, changed } = this.#following
    const { type, object } = WatchLine.parse(JSON.parse(line))
    this.#heardAt = performance.now()
    if (type === 'ERROR') return false // of any other error listing tells as well
    if (type === 'DELETED') remove(item.parse(object))
    else if (type !== 'BOOKMARK') put(item.parse(object))
    this.#version = Versioned.parse(object).metadata.resourceVersion
    if (type !== 'BOOKMARK') changed()
    return true
  }

  #opened(): void {
    this.#heardAt = performance.now()
    this.#fault = null
    if (this.#isWhole) return
    this.#isWhole = true
    this.#wasWhole = true
    this.#following.changed()
  }

  #failed(why: Fault): void {
    this.#fault = why
    this.#isWhole = false
    this.#following.changed()
  }
}

const awhile = ({ kind, detail }: Fault): Fault => failFor(kind, deniedMs, detail).fault

const deniedFor = ({ fault, refusal }: Refused): Fault =>
  refusal?.status === 403 ? failFor('denied', deniedMs, fault.detail).fault : fault

const waitMs = ({ kind, retryAfterMs }: Fault, tries: number): number => {
  const soonMs = backoffMs({ tries, firstMs: 500, mostMs: 10_000, spread: Math.random() })
  return kind === 'denied' && tries < sureTries ? soonMs : (retryAfterMs ?? soonMs)
}
