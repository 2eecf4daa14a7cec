import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lutimesSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

import { claim, releaseAll } from './claims.ts'
import { type SiteFolder, siteFolder } from './site-folder.ts'

test('what an order that is no more claimed long ago is taken over by one, however many want it at once', async (t) => {
  const folder = madeFolder(t)
  mkdirSync(folder.order('l-lives'), { recursive: true })
  const tokens = Array.from({ length: 32 }, (_, number) => `l-${number}`)
  for (const name of Array.from({ length: 40 }, (_, number) => `accelerator-${number}`)) {
    const path = join(folder.claims, name)
    symlinkSync('l-dead', path)
    lutimesSync(path, 0, 0)
    const got = await Promise.all(tokens.map((token) => claim(folder, name, token)))
    const [holder = '', ...others] = tokens.filter((_, index) => got[index])
    assert.deepEqual([holder, others], [readlinkSync(path), []])
    assert.ok(await claim(folder, name, holder), 'its own it has')
    rmSync(path)
  }
  symlinkSync('l-lives', join(folder.claims, 'port'))
  lutimesSync(join(folder.claims, 'port'), 0, 0)
  assert.equal(await claim(folder, 'port', 'l-1'), false)
  assert.deepEqual(readdirSync(folder.claims), ['port'])
})

test('who is killed while claiming leaves nothing but whole claims', async (t) => {
  const folder = madeFolder(t)
  const modules = [new URL('./claims.ts', import.meta.url), new URL('./site-folder.ts', import.meta.url)]
  const [claims, sites] = modules.map(({ href }) => JSON.stringify(href))
  const program = `
    import { claim } from ${claims}
    import { siteFolder } from ${sites}
    const folder = siteFolder(${JSON.stringify(folder.root)})
    for (let port = 0; ; port++) {
      if (port === 200) process.stdout.write('busy')
      await claim(folder, 'port-' + process.pid + '-' + port, 'l-killed')
    }`
  for (let round = 0; round < 4; round++) {
    const claimant = spawn(process.execPath, ['--input-type=module', '--eval', program])
    await once(claimant.stdout, 'data')
    claimant.kill('SIGKILL')
    await once(claimant, 'close')
  }
  const names = readdirSync(folder.claims)
  assert.deepEqual(
    names.filter((name) => !/^port-\d+-\d+$/.test(name)),
    [],
  )
  assert.ok(names.every((name) => readlinkSync(join(folder.claims, name)) === 'l-killed'))
  await releaseAll(folder, 'l-killed')
  assert.deepEqual(readdirSync(folder.claims), [])
})

function madeFolder(t: TestContext): SiteFolder {
  const folder = siteFolder(mkdtempSync(join(tmpdir(), 'isobar-claims-')))
  t.after(() => rmSync(folder.root, { recursive: true }))
  mkdirSync(folder.claims)
  return folder
}
