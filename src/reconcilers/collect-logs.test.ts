import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fail, succeed } from '#model/fault.ts'
import type { Provider } from '#providers/provider.ts'
import { collectLogs } from './collect-logs.ts'

const { signal } = new AbortController()

function anArchive() {
  const kept: Buffer[] = []
  return {
    text: () => Buffer.concat(kept).toString(),
    size: async () => Buffer.concat(kept).length,
    append: async (_lease: string, _rank: number, bytes: Uint8Array) => void kept.push(Buffer.from(bytes)),
  }
}

/** Gives three bytes of a text at a time, and does not answer the calls numbered in `deaf`. */
function aSource(text: string, deaf: number[] = []): Pick<Provider, 'logs'> {
  let calls = 0
  return {
    async logs(_handle, { from }) {
      if (deaf.includes((calls += 1))) return fail('unreachable', 'later', 'it does not answer')
      const bytes = Buffer.from(text).subarray(from, from + 3)
      return succeed({ from, bytes, end: from + bytes.length >= text.length })
    },
  }
}

const from = (provider: Pick<Provider, 'logs'>, archive: ReturnType<typeof anArchive>) => ({
  provider: provider as Provider, // nothing else of it is asked
  handle: { site: 'west', token: 'l-1' },
  ranks: [0],
  lease: 'l-1',
  archive,
})

test('a log is collected whole, and on from where an earlier call was cut off', async () => {
  const archive = anArchive()
  const source = from(aSource('hello, world', [3]), archive)
  assert.equal(await collectLogs(source, signal), 'unreachable')
  assert.equal(archive.text(), 'hello,')
  assert.equal(await collectLogs(source, signal), 'all')
  assert.equal(archive.text(), 'hello, world')
})

test('output that the provider dropped is said to be missing, and nothing is kept twice', async () => {
  const archive = anArchive()
  const all = Buffer.from('0123456789')
  const provider: Pick<Provider, 'logs'> = {
    async logs(_handle, { from: asked }) {
      const start = Math.max(6, asked)
      return succeed({ from: start, bytes: all.subarray(start, start + 2), end: start >= 8 })
    },
  }
  for (let i = 0; i < 2; i++) await collectLogs(from(provider, archive), signal)
  assert.equal(archive.text(), '[6 bytes of older output were dropped]\n6789')
})

test('time that is up asks for another turn', async () => {
  assert.equal(await collectLogs(from(aSource('hello'), anArchive()), AbortSignal.abort()), 'more')
})
