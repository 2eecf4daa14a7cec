import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { lookup as lookUp } from 'node:dns'
import { after, before, test } from 'node:test'

import { Agent, fetch as undiciFetch } from 'undici'

import { S3 } from '#kit/s3.ts'
import { keysOf, type S3KeySource } from '#kit/s3-keys.ts'
import { type ObjectStore, startObjectStore } from '#rigs/object-store.ts'

// Our client of S3 against a real server.

let store: ObjectStore
before(async () => {
  store = await startObjectStore()
  await store.addBucket('models')
})
after(() => store.stop())

const open = (more: Partial<{ bucket: string; region: string; endpoint: string; keys: S3KeySource }> = {}): S3 => {
  const { endpoint, region } = store
  const { keys, ...at } = more
  return new S3({
    at: { endpoint, region, bucket: 'models', addressing: 'path', ...at },
    keys: keysOf(keys ?? store.keys),
    tries: 2,
  })
}

test('what was put is got, in part too, listed by folders and pages, and removed', async () => {
  const s3 = open()
  await s3.put('a/one file.txt', Buffer.from('hello'))
  await s3.put("a/b/it's (2) ~+&<.bin", Buffer.from('deep'))
  await s3.put('top', Buffer.from(''))
  assert.equal((await s3.get('a/one file.txt'))?.toString(), 'hello')
  assert.equal((await s3.get('a/one file.txt', { from: 1, count: 3 }))?.toString(), 'ell')
  assert.equal((await s3.get("a/b/it's (2) ~+&<.bin"))?.toString(), 'deep')
  assert.equal(await s3.get('nothing'), null)
  assert.deepEqual(await s3.list('a/', { folders: true }), { keys: ['a/one file.txt'], folders: ['a/b/'], next: null })
  assert.deepEqual((await s3.list('a/')).keys, ["a/b/it's (2) ~+&<.bin", 'a/one file.txt'])
  for (const key of ['a/one file.txt', "a/b/it's (2) ~+&<.bin", 'top', 'top']) await s3.remove(key)
  assert.deepEqual(await s3.list(''), { keys: [], folders: [], next: null })
})

test('a list of more than 1,000 keys goes on where it stopped', async () => {
  const s3 = open()
  const keys = Array.from({ length: 1005 }, (_, at) => `many/${String(at).padStart(4, '0')}`)
  for (let at = 0; at < keys.length; at += 20)
    await Promise.all(keys.slice(at, at + 20).map((key) => s3.put(key, Buffer.from('x'))))
  const first = await s3.list('many/')
  const second = await s3.list('many/', { next: first.next ?? '' })
  assert.deepEqual([...first.keys, ...second.keys], keys)
  assert.equal(second.next, null)
  for (let at = 0; at < keys.length; at += 20) await Promise.all(keys.slice(at, at + 20).map((key) => s3.remove(key)))
})

test('an object of parts is there once it was ended, and not before; one that is dropped never is', async () => {
  const s3 = open()
  const [one, two] = [randomBytes(5 * 1024 * 1024), randomBytes(1000)]
  const upload = await s3.begin('large')
  const tags = [
    await s3.part('large', { upload, number: 1, body: one }),
    await s3.part('large', { upload, number: 2, body: two }),
  ]
  assert.equal(await s3.get('large'), null)
  await s3.end('large', upload, tags)
  assert.ok((await s3.get('large'))?.equals(Buffer.concat([one, two])))
  await s3.remove('large')
  const dropped = await s3.begin('large')
  await s3.part('large', { upload: dropped, number: 1, body: two })
  await s3.drop('large', dropped)
  assert.equal(await s3.get('large'), null)
})

test('a bucket that is a part of the host is the same bucket', async () => {
  const { endpoint, region, domain } = store
  const { hostname, port } = new URL(endpoint)
  const dispatcher = new Agent({
    // Nobody resolves names of the rig.
    connect: { lookup: (_, options, tell) => lookUp(hostname, options, tell) },
  })
  const s3 = new S3({
    at: { endpoint: `http://${domain}:${port}`, region, bucket: 'models', addressing: 'virtual' },
    keys: keysOf(store.keys),
    fetch: ((url: URL, init: object) => undiciFetch(url, { ...init, dispatcher })) as unknown as typeof fetch, // the same, with names of its own
    tries: 1,
  })
  await s3.put('by/host', Buffer.from('found'))
  assert.equal((await open().get('by/host'))?.toString(), 'found')
  assert.deepEqual((await s3.list('by/')).keys, ['by/host'])
  await s3.remove('by/host')
  await dispatcher.close()
})

const says = async (s3: S3): Promise<string> =>
  s3.list('').then(
    () => assert.fail('it was not refused'),
    (error: Error) => error.message,
  )

test('each refusal says what is wrong, and last what mends it', async () => {
  const { AWS_ACCESS_KEY_ID } = store.keys
  assert.match(
    await says(open({ bucket: 'nowhere' })),
    /no bucket nowhere at http.*NoSuchBucket.*\nmake it, or correct/,
  )
  assert.match(
    await says(open({ keys: { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: 'wrong' } })),
    /does not know the keys .*SignatureDoesNotMatch.*\nset the secret of the store again/,
  )
  assert.match(
    await says(open({ keys: { AWS_ACCESS_KEY_ID: 'nobody', AWS_SECRET_ACCESS_KEY: 'wrong' } })),
    /does not know the keys .*\nset the secret/,
  )
  assert.match(await says(open({ region: 'elsewhere' })), /in another region than elsewhere .*\nsay so at the site/)
  assert.match(
    await says(open({ endpoint: 'http://127.0.0.1:9' })),
    /http:\/\/127\.0\.0\.1:9 does not answer: .*\ncorrect checkpointsEndpoint/,
  )
})

test('a request that nobody answers is tried again until somebody does', async () => {
  const { endpoint, region } = store
  const s3 = new S3({
    at: { endpoint, region, bucket: 'models', addressing: 'path' },
    keys: keysOf(store.keys),
    tries: 30,
    firstPauseMs: 10,
  })
  await store.kill()
  const put = s3.put('late', Buffer.from('there'))
  await store.start()
  await put
  assert.equal((await s3.get('late'))?.toString(), 'there')
  await s3.remove('late')
})
