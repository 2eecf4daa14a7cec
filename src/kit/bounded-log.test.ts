import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createLogWriter, readLog } from './bounded-log.ts'

const most = 100

function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-log-'))
  return body(join(folder, 'log')).finally(() => rmSync(folder, { recursive: true, force: true }))
}

/** Reads on from an offset as a follower does, in parts of at most seven bytes. */
async function follow(folder: string, from: number): Promise<{ from: number; text: string }> {
  const first = await readLog(folder, { from, most: 7 })
  let text = ''
  for (let chunk = first; chunk.bytes.length > 0;) {
    text += Buffer.from(chunk.bytes).toString('latin1')
    chunk = await readLog(folder, { from: chunk.from + chunk.bytes.length, most: 7 })
  }
  return { from: first.from, text }
}

test('whatever is written, what is kept is the end of it, at its own offsets, within the bound', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 40 }), { maxLength: 40 }),
      fc.nat(1500),
      (writes, from) =>
        inFolder(async (folder) => {
          const log = createLogWriter(folder, most)
          for (const text of writes) log.write(Buffer.from(text, 'latin1'))
          log.close()
          const whole = writes.join('')
          const kept = readdirSync(folder).map((name) => statSync(join(folder, name)).size)
          const size = kept.reduce((sum, bytes) => sum + bytes, 0)
          assert.ok(size <= most + 2 * 40)
          assert.ok(size >= Math.min(whole.length, most / 2))
          const seen = await follow(folder, from)
          assert.equal(seen.from, Math.max(from, whole.length - size))
          assert.equal(seen.text, whole.slice(seen.from))
        }),
    ),
    { numRuns: 60 },
  ))

test('a log that does not exist yet is empty', () =>
  inFolder(async (folder) => {
    assert.deepEqual(await readLog(folder, { from: 3, most: 10 }), { from: 3, bytes: new Uint8Array() })
  }))
