import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { bringLatest, completesOf, earlierAttempts } from './bring.ts'
import { width, withEach } from './lanes.ts'
import {
  type Asked,
  askedKey,
  attemptKey,
  type Complete,
  completeKey,
  lastManifestKey,
  lastManifestsKey,
  lastNumber,
  manifestKey,
  manifestsKey,
  type Place,
} from './layout.ts'
import { areSame } from './look.ts'
import { OwnFiles } from './own-files.ts'
import { type Bucket, openBucket, type SeenFile } from './transfer.ts'

/** How often files are looked at, and whether others ask or answer. Two looks in a row that find the same find whole files. */
const usualLookMs = 2000
/** Who writes all the time is taken at its word after so many looks: what nobody has touched between two of them is whole. */
const mostRestless = 4
/** Ranks that save where rank 0 does not are asked so often. */
const askAnywayMs = 60_000
/** A rank that does not answer so long has something the matter; what others have saved since waits for the next time. */
const mostAnswerMs = 10 * 60_000
/** A trouble that lasts is told again so often. */
const tellAgainMs = 10 * 60_000
/** Of an attempt so many whole checkpoints are kept, and what so many attempts before it left. */
const keptCheckpoints = 2
const keptAttempts = 1
const mostPages = 20

export type KeeperOptions = {
  place: Place
  /** How many ranks the gang has. */
  nodes: number
  /** The folder with a folder for each attempt: its own, which the rank writes, and the one that it resumes from. */
  root: string
  say: (line: string) => void
  lookMs?: number
}

/**
 * Keeps the checkpoints of one rank in a bucket while it runs. What is there at one moment is a generation: rank 0 looks at
 * its files, then asks the other ranks for theirs as of then or later, and when all have told, says that the checkpoint is
 * whole. So what one rank wrote because another had finished is never there without that.
 */
export class Keeper {
  readonly #options: KeeperOptions
  readonly #bucket: Bucket
  readonly #own: OwnFiles
  readonly #ending = new AbortController()
  #looping: Promise<void> = Promise.resolve()
  #generation = 0
  #complete: number[] = []
  #kept: ReadonlyMap<string, SeenFile> = new Map()
  #before: ReadonlyMap<string, SeenFile> = new Map()
  #restless = 0
  #lookTookMs = 0
  #askedAt = 0
  #answering = 0
  #told = { text: '', at: 0 }

  constructor(options: KeeperOptions) {
    const { place, root } = options
    this.#options = options
    this.#bucket = openBucket(place.store)
    this.#own = new OwnFiles({ bucket: this.#bucket, place, folder: join(root, String(place.attempt)) })
  }

  /** Fetches what an earlier attempt left, into its folder below `root`; gives its number. */
  bring(): Promise<number | null> {
    return bringLatest({ ...this.#options, bucket: this.#bucket })
  }

  /** From now on what the rank saves is kept. */
  start(): void {
    this.#looping = this.#loop()
  }

  /** Keeps what is there at the end; gives what is wrong if it could not be. The rank writes no more. */
  async finish(): Promise<string | null> {
    this.#ending.abort()
    await this.#looping
    try {
      await this.#last()
      return null
    } catch (error) {
      return textOf(error)
    }
  }

  async #loop(): Promise<void> {
    const { signal } = this.#ending
    const { lookMs = usualLookMs } = this.#options
    while (!signal.aborted) {
      try {
        await (this.#options.place.rank === 0 ? this.#lead() : this.#follow())
      } catch (error) {
        this.#tell(textOf(error))
      }
      // A folder of many files is not looked at all the time.
      await pause(Math.max(lookMs, this.#lookTookMs * 10), undefined, { signal }).catch(() => undefined)
    }
  }

  /**
   * All files as they were at the last look, and are. Where somebody writes all the time, as they were then: what a crash at
   * that moment would have left.
   */
  async #settled(): Promise<ReadonlyMap<string, SeenFile> | null> {
    const before = this.#before
    const began = performance.now()
    const now = await this.#own.look()
    this.#lookTookMs = performance.now() - began
    this.#before = now
    const isQuiet = areSame(now, before)
    this.#restless = isQuiet ? 0 : this.#restless + 1
    if (isQuiet) return now
    return this.#restless > mostRestless ? this.#own.asOf(before, now) : null
  }

  async #lead(): Promise<void> {
    const seen = await this.#settled()
    if (!seen) return
    const isDue = this.#options.nodes > 1 && performance.now() - this.#askedAt > askAnywayMs
    if (areSame(seen, this.#kept) && !isDue) return
    await this.#round(seen, () => this.#ending.signal.aborted)
  }

  /** One checkpoint of the whole gang, or none: when `isOver` says so, and when something changed meanwhile. */
  async #round(seen: ReadonlyMap<string, SeenFile>, isOver: () => boolean): Promise<boolean> {
    const { place, nodes } = this.#options
    const { s3 } = this.#bucket
    const generation = ++this.#generation
    this.#askedAt = performance.now()
    const manifest = await this.#own.send(seen, generation)
    if (!manifest) return false
    await this.#own.tell(manifestKey(place, generation), generation, manifest)
    const asked: Asked = { generation, keep: this.#complete.at(-1) ?? 0 }
    if (nodes > 1) await s3.put(askedKey(place), Buffer.from(JSON.stringify(asked)))
    const manifests = await this.#answers(generation, isOver)
    if (!manifests) return false
    await s3.put(completeKey(place, generation), Buffer.from(JSON.stringify({ manifests } satisfies Complete)))
    this.#kept = seen
    this.#complete = [generation, ...this.#complete]
    await this.#prune()
    return true
  }

  /** The manifests of all ranks, in their order; null when they do not come. */
  async #answers(generation: number, isOver: () => boolean): Promise<string[] | null> {
    const { place, nodes, lookMs = usualLookMs } = this.#options
    const own = manifestKey(place, generation)
    for (const until = performance.now() + mostAnswerMs; ;) {
      const others = nodes > 1 ? await this.#others(generation) : new Map<number, string>()
      const all = Array.from({ length: nodes }, (_, rank) => (rank === 0 ? own : others.get(rank)))
      const here = all.filter((key) => key !== undefined)
      if (here.length === nodes) return here
      if (isOver()) return null
      if (performance.now() > until) {
        const missing = all.flatMap((key, rank) => (key === undefined ? [rank] : []))
        throw new Error(`ranks ${missing.slice(0, 10).join(', ')} do not say what they saved\nlook at their logs`)
      }
      await pause(lookMs)
    }
  }

  async #others(generation: number): Promise<Map<number, string>> {
    const { place } = this.#options
    const found = new Map<number, string>()
    for (const prefix of [lastManifestsKey(place), manifestsKey(place, generation)])
      for (const key of await this.#keysBelow(prefix)) found.set(lastNumber(key), key)
    return found
  }

  async #follow(): Promise<void> {
    const asked = await this.#asked()
    if (!asked || asked.generation <= this.#generation) return
    if (this.#answering !== asked.generation) {
      // Only what was looked at since we were asked is an answer.
      this.#answering = asked.generation
      this.#before = await this.#own.look()
      return
    }
    const seen = await this.#settled()
    if (!seen) return
    const manifest = await this.#own.send(seen, asked.generation)
    if (!manifest) return
    await this.#own.tell(manifestKey(this.#options.place, asked.generation), asked.generation, manifest)
    this.#generation = asked.generation
    await this.#own.prune(asked.keep)
  }

  async #asked(): Promise<Asked | null> {
    const text = await this.#bucket.s3.get(askedKey(this.#options.place))
    return text && (JSON.parse(text.toString()) as Asked) // written by rank 0
  }

  async #last(): Promise<void> {
    const { place, nodes } = this.#options
    const seen = await this.#own.look()
    if (place.rank > 0) {
      const generation = this.#generation + 1
      const manifest = await this.#own.send(seen, generation)
      if (!manifest) throw new Error('files changed while they were saved\nlet nothing write to them after the end')
      await this.#own.tell(lastManifestKey(place), generation, manifest)
      return
    }
    if (nodes === 1 && areSame(seen, this.#kept)) return
    if (!(await this.#round(seen, () => false)))
      throw new Error('files changed while they were saved\nlet nothing write to them after the end')
  }

  /** What nobody would resume from any more goes: older checkpoints of this attempt, and older attempts. */
  async #prune(): Promise<void> {
    const { place } = this.#options
    const { s3 } = this.#bucket
    try {
      const isFirst = this.#complete.length === 1
      const over = this.#complete.slice(keptCheckpoints)
      this.#complete = this.#complete.slice(0, keptCheckpoints)
      // What says that a checkpoint is whole goes before it.
      for (const generation of over) await s3.remove(completeKey(place, generation))
      await this.#own.prune(this.#complete.at(-1) ?? 0)
      if (isFirst) await this.#pruneAttempts()
    } catch (error) {
      this.#tell(`what is not needed any more could not be removed: ${textOf(error)}`)
    }
  }

  async #pruneAttempts(): Promise<void> {
    const { place } = this.#options
    let kept = 0
    for (const attempt of await earlierAttempts({ bucket: this.#bucket, place })) {
      const earlier = { ...place, attempt }
      const completes = await completesOf(this.#bucket, earlier)
      if (completes.length > 0 && kept++ < keptAttempts) continue
      for (const key of completes) await this.#bucket.s3.remove(key)
      const keys = await this.#keysBelow(attemptKey(earlier))
      await withEach(keys, { width, work: (key) => this.#bucket.s3.remove(key) })
    }
  }

  async #keysBelow(prefix: string): Promise<string[]> {
    const keys: string[] = []
    let next: string | null | undefined
    for (let page = 0; page < mostPages && next !== null; page++) {
      const found = await this.#bucket.s3.list(prefix, next ? { next } : {})
      keys.push(...found.keys)
      next = found.next
    }
    return keys
  }

  #tell(text: string): void {
    if (text === this.#told.text && performance.now() - this.#told.at < tellAgainMs) return
    this.#told = { text, at: performance.now() }
    this.#options.say(`checkpoints are not kept now: ${text}`)
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
