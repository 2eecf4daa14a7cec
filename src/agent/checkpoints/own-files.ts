import { width, withEach } from './lanes.ts'
import { attemptKey, fileKey, type Manifest, type Place, type StoredFile } from './layout.ts'
import { isSame, lookAt } from './look.ts'
import { type Bucket, type SeenFile, sendFile } from './transfer.ts'

/** The files of one rank: which of them the bucket has, and as of when. */
export class OwnFiles {
  readonly #bucket: Bucket
  readonly #place: Place
  readonly #folder: string
  readonly #stored = new Map<string, { seen: SeenFile; file: StoredFile }>()
  readonly #manifests = new Map<number, Manifest>()
  /** Everything that this rank has put there and not removed. */
  readonly #objects = new Set<string>()

  constructor(options: { bucket: Bucket; place: Place; folder: string }) {
    this.#bucket = options.bucket
    this.#place = options.place
    this.#folder = options.folder
  }

  look(): Promise<Map<string, SeenFile>> {
    return lookAt(this.#folder)
  }

  /**
   * The files as they were at a look, from what they are at the next one: those that are still the same, or that the bucket
   * has as they were. Null where one was written to meanwhile. What was removed since is wanted no more.
   */
  asOf(before: ReadonlyMap<string, SeenFile>, now: ReadonlyMap<string, SeenFile>): Map<string, SeenFile> | null {
    const kept = new Map<string, SeenFile>()
    for (const [path, seen] of before)
      if (isSame(seen, now.get(path)) || isSame(seen, this.#stored.get(path)?.seen)) kept.set(path, seen)
      else if (now.has(path)) return null
    return kept.size === 0 ? null : kept
  }

  /**
   * Sends what the bucket does not have yet; gives all files as they were seen, or null when one of those changed before it
   * was there.
   */
  async send(seen: ReadonlyMap<string, SeenFile>, generation: number): Promise<Manifest | null> {
    const files = await withEach([...seen.values()], {
      width,
      work: async (one) => {
        const known = this.#stored.get(one.path)
        if (known && isSame(known.seen, one)) return known.file
        const key = fileKey(this.#place, generation, one.path)
        this.#objects.add(key)
        const file = await sendFile(this.#bucket, { folder: this.#folder, seen: one, key })
        if (file) this.#stored.set(one.path, { seen: one, file })
        return file
      },
    })
    const whole = files.filter((file) => file !== null)
    return whole.length === files.length ? { files: whole } : null
  }

  /** Writes down which files belong together. */
  async tell(key: string, generation: number, manifest: Manifest): Promise<void> {
    await this.#bucket.s3.put(key, Buffer.from(JSON.stringify(manifest)))
    this.#objects.add(key)
    this.#manifests.set(generation, manifest)
  }

  /** Removes what only manifests before that one name. */
  async prune(keep: number): Promise<void> {
    for (const generation of this.#manifests.keys()) if (generation < keep) this.#manifests.delete(generation)
    const named = new Set([...this.#manifests.values()].flatMap(({ files }) => files.map(({ key }) => key)))
    const over = [...this.#objects].filter((key) => !named.has(key) && isOlder(key, this.#place, keep))
    await withEach(over, {
      width,
      work: async (key) => {
        await this.#bucket.s3.remove(key)
        this.#objects.delete(key)
      },
    })
    for (const [path, { file }] of this.#stored) if (!this.#objects.has(file.key)) this.#stored.delete(path)
  }
}

/** In which generation a key of ours was written stands in it. */
function isOlder(key: string, place: Place, keep: number): boolean {
  const [, generation] = /^(?:files\/\d+|manifests)\/(\d{10})\//.exec(key.slice(attemptKey(place).length)) ?? []
  return generation !== undefined && Number(generation) < keep
}
