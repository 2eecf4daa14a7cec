import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import * as fc from 'fast-check'

import { createLogArchive } from './archive.ts'
import { BlobError, type Blobs, contentName, contentOf } from './blobs.ts'
import { createDirectoryBlobs } from './directory.ts'
import { prune } from './prune.ts'

const root = await mkdtemp(join(tmpdir(), 'isobar-blobs-'))
after(() => rm(root, { recursive: true, force: true }))

let made = 0
function aStore(): { blobs: Blobs; folder: string } {
  const folder = join(root, String(made++))
  return { blobs: createDirectoryBlobs(folder), folder }
}

async function* pieces(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array, void> {
  for (const part of parts) yield Buffer.from(part)
}

async function* broken(): AsyncGenerator<Uint8Array, void> {
  yield Buffer.from('half')
  throw new Error('the peer went away')
}

const ofKind = (kind: string) => (error: unknown) => error instanceof BlobError && error.kind === kind
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

async function all(blobs: Blobs, name: string): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of contentOf(blobs, name)) parts.push(part)
  return Buffer.concat(parts)
}

test('content is kept under the hash of its bytes, and read back in pieces of any size', async () => {
  const { blobs } = aStore()
  const bytes = randomBytes(700_000)
  const stored = await blobs.put(pieces(bytes.subarray(0, 10), bytes.subarray(10)))
  assert.deepEqual(stored, { name: contentName(sha256(bytes)), hash: sha256(bytes), size: bytes.length })
  assert.deepEqual(await all(blobs, stored.name), bytes)
  assert.equal(await blobs.size(stored.name), bytes.length)
  assert.deepEqual(await blobs.read(stored.name, 5, 7), bytes.subarray(5, 12))
  assert.equal((await blobs.read(stored.name, bytes.length + 5, 7))?.length, 0)
})

test('a name that nobody wrote has no size, no bytes, and can be removed', async () => {
  const { blobs } = aStore()
  assert.equal(await blobs.size('logs/l-1/0'), null)
  assert.equal(await blobs.read('logs/l-1/0', 0, 10), null)
  await blobs.remove('logs/l-1/0')
})

test('content with another hash than announced, or too much of it, leaves nothing behind', async () => {
  const { blobs, folder } = aStore()
  await assert.rejects(blobs.put(pieces('abc'), { hash: sha256(Buffer.from('abd')) }), ofKind('mismatch'))
  await assert.rejects(blobs.put(pieces('abc', 'def'), { most: 5 }), ofKind('too-large'))
  assert.deepEqual(await readdir(join(folder, 'incoming')), [])
  assert.deepEqual(await readdir(folder), ['incoming'])
})

test('a stream that breaks off leaves nothing behind', async () => {
  const { blobs, folder } = aStore()
  await assert.rejects(blobs.put(broken()), /the peer went away/)
  assert.deepEqual(await readdir(join(folder, 'incoming')), [])
})

test('the same content put by many at once is kept once and whole', async () => {
  const { blobs } = aStore()
  const bytes = randomBytes(100_000)
  const stored = await Promise.all(Array.from({ length: 8 }, () => blobs.put(pieces(bytes))))
  assert.equal(new Set(stored.map(({ name }) => name)).size, 1)
  assert.deepEqual(await all(blobs, contentName(sha256(bytes))), bytes)
})

test('content that a crash cut short is written anew', async () => {
  const { blobs, folder } = aStore()
  const { hash } = await blobs.put(pieces('whole'))
  const place = join(folder, 'content', hash.slice(-2), hash)
  await writeFile(place, 'wh')
  await blobs.put(pieces('whole'))
  assert.equal(await readFile(place, 'utf8'), 'whole')
})

test('what a process that died left in the way in is removed later', async () => {
  const { blobs, folder } = aStore()
  await mkdir(join(folder, 'incoming'), { recursive: true })
  for (const name of ['old', 'new']) await writeFile(join(folder, 'incoming', name), 'half')
  await utimes(join(folder, 'incoming', 'old'), new Date(0), new Date(0))
  await blobs.put(pieces('x'))
  assert.deepEqual(await readdir(join(folder, 'incoming')), ['new'])
})

test('only the owner can read blobs', async () => {
  const { blobs, folder } = aStore()
  const { hash } = await blobs.put(pieces('private'))
  const shard = join(folder, 'content', hash.slice(-2))
  assert.equal((await stat(shard)).mode & 0o777, 0o700)
  assert.equal((await stat(join(shard, hash))).mode & 0o777, 0o600)
})

test('no name leads out of the store', async () => {
  const { blobs } = aStore()
  for (const name of ['../x', 'logs/../x', 'logs/a..', 'logs/..', '/etc/passwd', 'logs', 'logs/a/b/c', 'logs//0', '']) {
    await assert.rejects(blobs.write(name, Buffer.from('x')), ofKind('name'), name)
  }
  await fc.assert(
    fc.asyncProperty(fc.string(), async (name) => {
      const found = await blobs.size(name).catch((error: unknown) => error)
      assert.ok(found === null || ofKind('name')(found))
    }),
    { numRuns: 200 },
  )
})

test('a full disk is named as such, and takes no half of a blob', async (t) => {
  const { blobs, folder } = aStore()
  await blobs.write('logs/l-1/0', Buffer.from('kept'))
  const handles = await import('node:fs/promises')
  const file = await handles.open(join(folder, 'logs', '-1', 'l-1', '0'))
  const FileHandle: { writeFile: unknown } = Object.getPrototypeOf(file)
  await file.close()
  t.mock.method(
    FileHandle as { writeFile: () => Promise<void> },
    'writeFile',
    async function (this: { write(text: string): Promise<unknown> }) {
      await this.write('ha')
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
    },
  )
  await assert.rejects(blobs.write('logs/l-1/0', Buffer.from('half')), ofKind('full'))
  await assert.rejects(blobs.put(pieces('half')), ofKind('full'))
  t.mock.restoreAll()
  assert.equal(String(await blobs.read('logs/l-1/0', 0, 100)), 'kept')
  assert.deepEqual(await readdir(join(folder, 'incoming')), [])
})

test('a log is kept in pieces, read from any byte, and its gaps are where its provider had them', async () => {
  const { blobs, folder } = aStore()
  const archive = createLogArchive(blobs)
  const read = async (from: number) => {
    const piece = await archive.read('l-1', 0, { from, most: 100 })
    return piece && [piece.from, String(piece.bytes)]
  }
  assert.deepEqual(await archive.kept('l-1', 0), { bytes: 0, end: 0 })
  assert.equal(await read(0), null)
  for (const [from, text] of [
    [0, 'one\n'],
    [4, 'two\n'],
    [20, 'six\n'],
    [4, 'two\n'],
  ] as const)
    await archive.add('l-1', 0, { from, bytes: Buffer.from(text) })
  await archive.add('l-1', 12, { from: 0, bytes: Buffer.from('other rank') })
  assert.deepEqual(await archive.kept('l-1', 0), { bytes: 12, end: 24 })
  assert.deepEqual(
    [await read(2), await read(4)],
    [
      [2, 'e\n'],
      [4, 'two\n'],
    ],
  )
  assert.deepEqual([await read(8), await read(22), await read(24)], [[20, 'six\n'], [22, 'x\n'], null])
  for await (const { name } of blobs.list('logs')) await blobs.remove(name)
  assert.deepEqual(await readdir(join(folder, 'logs', '-1')), [], 'the folder of a log goes with its last piece')
})

const isFirst = (name: string): boolean => name === 'logs/l-aa/0'
const hourMs = 3_600_000

test('pruning removes what is old, then the oldest until the rest fits, and never what is in use', async () => {
  const { blobs, folder } = aStore()
  const now = Date.now()
  for (const [index, name] of ['l-aa', 'l-bb', 'l-cc', 'l-dd'].entries()) {
    await blobs.write(`logs/${name}/0`, Buffer.alloc(100))
    const at = new Date(now - (6 - index) * hourMs)
    await utimes(join(folder, 'logs', name.slice(-2), name, '0'), at, at)
  }
  const keep = { maxAgeMs: 5.5 * hourMs, maxBytes: 250 }
  assert.deepEqual(await prune(blobs, 'logs', { keep, now, inUse: isFirst }), {
    removed: 1,
    removedBytes: 100,
    keptBytes: 300,
  })
  const left: string[] = []
  for await (const { name } of blobs.list('logs')) left.push(name)
  assert.deepEqual(left.sort(), ['logs/l-aa/0', 'logs/l-cc/0', 'logs/l-dd/0'])
})

test('what was touched lately stays, and so does what is touched while the rest is pruned', async () => {
  const { blobs, folder } = aStore()
  const old = new Date(Date.now() - 9 * hourMs)
  for (const name of ['aaaa', 'bbbb', 'cccc']) {
    await blobs.write(`content/${name}`, Buffer.from(name))
    await utimes(join(folder, 'content', name.slice(-2), name), old, old)
  }
  assert.equal(await blobs.touch('content/aaaa'), 4)
  assert.equal(await blobs.touch('content/zzzz'), null)
  const slow: Blobs = {
    ...blobs,
    async *list(first) {
      yield* blobs.list(first)
      await blobs.touch('content/bbbb')
    },
  }
  const none = { maxAgeMs: 0, maxBytes: 0 }
  const done = await prune(slow, 'content', { keep: none, now: Date.now() })
  assert.deepEqual(done, { removed: 1, removedBytes: 4, keptBytes: 8 })
  assert.deepEqual([await blobs.size('content/bbbb'), await blobs.size('content/cccc')], [4, null])
})
