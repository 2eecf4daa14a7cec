import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createLogWriter, readLog } from '#kit/bounded-log.ts'
import { fail, succeed } from '#model/fault.ts'
import { createLogArchive, type LogArchive } from '#providers/blobs/archive.ts'
import { createDirectoryBlobs } from '#providers/blobs/directory.ts'
import type { Provider } from '#providers/provider.ts'
import { collectLogs } from './collect-logs.ts'

const { signal } = new AbortController()

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

async function withArchive(body: (archive: LogArchive, folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-collect-'))
  const archive = createLogArchive(createDirectoryBlobs(join(folder, 'blobs')))
  await body(archive, folder).finally(() => rmSync(folder, { recursive: true, force: true }))
}

const from = (provider: Pick<Provider, 'logs'>, archive: LogArchive) => ({
  provider: provider as Provider, // nothing else of it is asked
  handle: { site: 'west', token: 'l-1' },
  ranks: [0],
  lease: 'l-1',
  archive,
  progress: { finished: new Set<number>(), movedAt: 0, nodesUntil: 1 },
  now: () => 1,
})

/** All that is kept of a log, by offset: `[0, 'ab'], [7, 'cd']` has a gap. */
async function keptOf(archive: LogArchive): Promise<[number, string][]> {
  const runs: [number, string][] = []
  for (let at = 0; ;) {
    const piece = await archive.read('l-1', 0, { from: at, most: 5 })
    if (!piece) return runs
    const text = Buffer.from(piece.bytes).toString('latin1')
    const last = runs.at(-1)
    if (last && piece.from === at) last[1] += text
    else runs.push([piece.from, text])
    at = piece.from + text.length
  }
}

test('a log is collected whole, and on from where an earlier call was cut off', () =>
  withArchive(async (archive) => {
    const source = from(aSource('hello, world', [3]), archive)
    assert.equal(await collectLogs(source, signal), 'unreachable')
    assert.deepEqual(await keptOf(archive), [[0, 'hello,']])
    assert.equal(await collectLogs(source, signal), 'all')
    assert.deepEqual(await keptOf(archive), [[0, 'hello, world']])
  }))

test('a node that does not give its log is waited for only while it may be coming back with its site', () =>
  withArchive(async (archive) => {
    const source = from({ logs: async () => fail('conflict', 'later', 'its node does not answer') }, archive)
    assert.equal(await collectLogs(source, signal), 'all')
    assert.equal(
      await collectLogs({ ...source, progress: { ...source.progress, nodesUntil: 2 } }, signal),
      'unreachable',
    )
  }))

test('a gang that is too wide for one try gets on with each, and those whose logs have ended are not read again', () =>
  withArchive(async (archive) => {
    const ranks = Array.from({ length: 100 }, (_, rank) => rank)
    const calls: number[] = []
    let abort = new AbortController()
    const provider: Pick<Provider, 'logs'> = {
      async logs(_handle, { rank }) {
        calls.push(rank)
        if (calls.length % 30 === 0) abort.abort()
        return succeed({ from: 0, bytes: Buffer.from(`${rank}`), end: true })
      },
    }
    const source = { ...from(provider, archive), ranks }
    const tries: string[] = []
    while (tries.at(-1) !== 'all' && tries.length < 10) {
      abort = new AbortController()
      tries.push(await collectLogs(source, abort.signal))
    }
    assert.deepEqual(tries, ['more', 'more', 'more', 'all'])
    assert.deepEqual(
      calls.toSorted((one, other) => one - other),
      ranks,
    )
  }))

test('a rank that is not given delays none of the others', () =>
  withArchive(async (archive) => {
    const provider: Pick<Provider, 'logs'> = {
      logs: async (_handle, { rank }) =>
        rank === 0
          ? fail('unreachable', 'later', 'its node is silent')
          : succeed({ from: 0, bytes: Buffer.from('x'), end: true }),
    }
    const source = { ...from(provider, archive), ranks: [0, 1, 2] }
    assert.equal(await collectLogs(source, signal), 'unreachable')
    assert.deepEqual(source.progress.finished, new Set([1, 2]))
  }))

test('time that is up asks for another turn', () =>
  withArchive(async (archive) => {
    assert.equal(await collectLogs(from(aSource('hello'), archive), AbortSignal.abort()), 'more')
  }))

// What happens to a log: it grows by so many bytes, or is collected until the site falls silent after so many answers.
const step = fc.oneof(
  fc.record({ grow: fc.integer({ min: 1, max: 60 }) }),
  fc.record({ answers: fc.nat(6), bytes: fc.integer({ min: 1, max: 30 }), twice: fc.boolean() }),
)

test('however a bounded log is rotated and its collection cut off, the archive is what was read, each byte once, and its tail', () =>
  fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), (steps) =>
      withArchive(async (archive, folder) => {
        const path = join(folder, 'output')
        const log = createLogWriter(path, 80)
        let whole = ''
        const given = new Set<number>()
        const answering = (answers: number, bytes: number): Pick<Provider, 'logs'> => ({
          async logs(_handle, part) {
            if ((answers -= 1) < 0) return fail('unreachable', 'later', 'it does not answer')
            const chunk = await readLog(path, { from: part.from, most: bytes })
            const end = chunk.from + chunk.bytes.length
            for (let at = chunk.from; at < end; at++) given.add(at)
            return succeed({ ...chunk, end: end === whole.length })
          },
        })
        for (const one of steps) {
          if ('grow' in one) {
            const text = Array.from({ length: one.grow }, (_, i) => String.fromCharCode(33 + ((whole.length + i) % 89)))
            whole += text.join('')
            log.write(Buffer.from(text.join('')))
          } else {
            const once = () => collectLogs(from(answering(one.answers, one.bytes), archive), signal)
            await Promise.all(one.twice ? [once(), once()] : [once()])
          }
        }
        log.close()
        assert.equal(await collectLogs(from(answering(Infinity, 7), archive), signal), 'all')
        const kept = new Set<number>()
        for (const [start, text] of await keptOf(archive)) {
          assert.equal(text, whole.slice(start, start + text.length))
          for (let at = start; at < start + text.length; at++) kept.add(at)
        }
        assert.deepEqual(kept, given)
        const first = (await readLog(path, { from: 0, most: 1 })).from
        for (let at = first; at < whole.length; at++) assert.ok(kept.has(at), `byte ${at} of the tail`)
      }),
    ),
    { numRuns: 60 },
  ))
