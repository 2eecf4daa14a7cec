import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { createWatch } from './watch.ts'

test('silence is what was watched of it, whatever the clock of whoever touches the file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-watch-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'claim')
  const watch = createWatch()
  assert.equal(await watch(path), undefined)
  writeFileSync(path, '')
  for (const offMs of [-3_600_000, 0, 3_600_000]) {
    const at = (Date.now() + offMs) / 1000
    utimesSync(path, at, at)
    assert.equal(await watch(path), 0, 'it was touched')
    const first = (await watch(path)) ?? assert.fail('it is there')
    assert.ok(first < 60_000, 'and not long ago')
    assert.ok(((await watch(path)) ?? 0) > first)
    utimesSync(path, at - 1, at - 1)
    assert.equal(await watch(path), 0, 'a clock may be set back')
  }
  rmSync(path)
  assert.equal(await watch(path), undefined)
})
