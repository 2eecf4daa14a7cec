import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { copyIntoLog, createLogWriter, readLog } from './bounded-log.ts'

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

test('a copy that is made in pieces, some twice, is the log itself from where the other began to drop', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.boolean(), fc.nat(3)), { maxLength: 30 }),
      (pieces) =>
        inFolder(async (folder) => {
          const whole = Buffer.from(Array.from({ length: 2000 }, (_, index) => 97 + (index % 26)))
          let at = 0
          let from = 0
          for (const [length, twice, dropped] of pieces) {
            at += dropped === 3 ? 7 : 0 // the other one dropped so much before we read it
            if (dropped === 3) from = at
            const piece = { from: at, bytes: whole.subarray(at, at + length), most }
            for (let times = 0; times < (twice ? 2 : 1); times++) await copyIntoLog(folder, piece)
            at += length
          }
          const kept = await follow(folder, Math.max(from, at - most / 2 + 30))
          assert.equal(kept.text, whole.subarray(kept.from, at).toString('latin1'))
          if (pieces.length === 0) return
          const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size)
          assert.ok(sizes.length <= 2 && sizes.every((size) => size < most / 2 + 30))
        }),
    ),
  ))
