import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Client } from './client.ts'
import { type LogFiles, readFrom } from './log-file.ts'

const marker = 'isobar: rank 0 of l-1\n'
const word = '\n[the log was rotated: here output may be missing, or come again]\n'
const never = new AbortController().signal

/** A kubelet with one log, as its API answers: of the file that it writes to now, with the time of its first line. */
function aKubelet() {
  let file = { at: '2026-11-22T01:00:00.1Z', text: marker }
  let next: (() => void) | undefined
  const client = {
    async read({ path, most }: { path: string; most: number }) {
      const { at, text } = file
      const bytes = Buffer.from(path.includes('timestamps=true') && text !== '' ? `${at} ${text}` : text)
      next?.()
      next = undefined
      return { ok: true as const, bytes: bytes.subarray(0, most) }
    },
  } as unknown as Client // nothing else of it is asked
  return {
    client,
    write: (text: string) => void (file.text += text),
    rotate: (at: string, text = '') => void (file = { at, text }),
    /** What happens between the next two requests. */
    afterOne: (event: () => void) => void (next = event),
  }
}

async function read(kubelet: { client: Client }, files: LogFiles, { from = 0, most = 1000 } = {}) {
  const { client } = kubelet
  const got = await readFrom({ client, path: '/log?', name: 'p', marker, part: { rank: 0, from, most }, files }, never)
  if (!got.ok) assert.fail(got.fault.detail)
  return [got.chunk.from, Buffer.from(got.chunk.bytes).toString(), got.isWhole]
}

test('a log that was never rotated has the offsets of what the program wrote, whoever reads it', async () => {
  const kubelet = aKubelet()
  kubelet.write('one\ntwo\n')
  const files: LogFiles = new Map()
  assert.deepEqual(await read(kubelet, files), [0, 'one\ntwo\n', true])
  assert.deepEqual(await read(kubelet, files, { from: 2, most: 3 }), [2, 'e\nt', false])
  assert.deepEqual(await read(kubelet, new Map(), { from: 4 }), [4, 'two\n', true])
  assert.deepEqual(await read(kubelet, files, { from: 500 }), [500, '', true])
})

test('a file that begins anew comes after what was told, with a word on it', async () => {
  const kubelet = aKubelet()
  const files: LogFiles = new Map()
  kubelet.write('one\ntwo\n')
  await read(kubelet, files)
  kubelet.rotate('2026-11-22T01:00:09.1Z', 'four\n')
  assert.deepEqual(await read(kubelet, files, { from: 8 }), [8, `${word}four\n`, true])
  kubelet.write('five\n')
  const from = 8 + word.length + 5
  assert.deepEqual(await read(kubelet, files, { from }), [from, 'five\n', true])
  // Who has read less is told from where it goes on.
  assert.deepEqual(await read(kubelet, files, { from: 4 }), [8, `${word}four\nfive\n`, true])
})

test('a log that is rotated between two looks at it is read anew', async () => {
  const kubelet = aKubelet()
  const files: LogFiles = new Map()
  kubelet.write('one\n')
  await read(kubelet, files)
  kubelet.afterOne(() => kubelet.rotate('2026-11-22T01:00:09.1Z', 'three\n'))
  assert.deepEqual(await read(kubelet, files, { from: 4 }), [4, `${word}three\n`, true])
})

test('who was told more before all memory was lost goes on where he was, whoever asked before him', async () => {
  const kubelet = aKubelet()
  const files: LogFiles = new Map()
  kubelet.rotate('2026-11-22T01:00:09.1Z', 'late\n')
  assert.deepEqual(await read(kubelet, files), [0, `${word}late\n`, true])
  assert.deepEqual(await read(kubelet, files, { from: 5000 }), [5000, `${word}late\n`, true])
  kubelet.write('later\n')
  assert.deepEqual((await read(kubelet, files, { from: 5000 + word.length + 5 }))[1], 'later\n')
})
