import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { makeFolder, makeFolderSync } from './make-folder.ts'

const both = [makeFolder, async (path: string) => makeFolderSync(path)]

test('a folder is made with those around it, for its owner alone; one that is there stays as it is', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'isobar-folder-'))
  t.after(() => rmSync(root, { recursive: true }))
  for (const [i, make] of both.entries()) {
    const path = join(root, String(i), 'a', 'b')
    await make(path)
    for (const made of [path, join(path, '..')]) assert.equal(statSync(made).mode & 0o777, 0o700)
    chmodSync(path, 0o755)
    await make(path)
    assert.equal(statSync(path).mode & 0o777, 0o755)
    for (let round = 0; round < 20; round++)
      await Promise.all(Array.from({ length: 8 }, () => make(join(path, `${round}`, 'd', 'e'))))
  }
})

test('where no folder can be, it ends with what the system says', { timeout: 10_000 }, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'isobar-folder-'))
  t.after(() => rmSync(root, { recursive: true }))
  writeFileSync(join(root, 'file'), '')
  symlinkSync(join(root, 'nowhere', 'at-all'), join(root, 'dangling'))
  for (const make of both) {
    await assert.rejects(make(join(root, 'file')), { code: 'EEXIST' })
    await assert.rejects(make(join(root, 'file', 'x', 'y')), { code: 'ENOTDIR' })
    await assert.rejects(make(join(root, 'dangling')), { code: 'EEXIST' })
    await assert.rejects(make(join(root, 'dangling', 'x')), { code: 'EEXIST' })
    if (process.platform === 'linux') await assert.rejects(make('/proc/nope/x/y'), { code: 'ENOENT' })
  }
})
