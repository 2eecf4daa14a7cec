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

test('time that is up asks for another turn', async () => {
  assert.equal(await collectLogs(from(aSource('hello'), anArchive()), AbortSignal.abort()), 'more')
})
