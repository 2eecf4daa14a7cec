import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { claim } from './claims.ts'
import { siteFolder } from './site-folder.ts'

test('what an order that is no more claimed long ago is taken over by one, however many want it at once', async (t) => {
  const folder = siteFolder(mkdtempSync(join(tmpdir(), 'isobar-claims-')))
  t.after(() => rmSync(folder.root, { recursive: true }))
  for (const path of [folder.claims, folder.order('l-lives')]) mkdirSync(path, { recursive: true })
  const tokens = Array.from({ length: 32 }, (_, number) => `l-${number}`)
  for (const name of Array.from({ length: 40 }, (_, number) => `accelerator-${number}`)) {
    const path = join(folder.claims, name)
    writeFileSync(path, 'l-dead')
    utimesSync(path, 0, 0)
    const got = await Promise.all(tokens.map((token) => claim(folder, name, token)))
    const [holder = '', ...others] = tokens.filter((_, index) => got[index])
    assert.deepEqual([holder, others], [readFileSync(path, 'utf8'), []])
    assert.ok(await claim(folder, name, holder), 'its own it has')
    rmSync(path)
  }
  writeFileSync(join(folder.claims, 'port'), 'l-lives')
  utimesSync(join(folder.claims, 'port'), 0, 0)
  assert.equal(await claim(folder, 'port', 'l-1'), false)
  assert.deepEqual(readdirSync(folder.claims), ['port'])
})
