import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { agentFiles } from '#model/agent-folder.ts'
import { createBoot } from './boot.ts'
import { until } from './rig.ts'

test('so many agents come up at once and no more, in their order; one that dies on the way makes room as well', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'isobar-boot-'))
  t.after(() => rmSync(home, { recursive: true }))
  const boot = createBoot(2)
  const started: number[] = []
  const ends: (() => void)[] = []
  const all = Array.from({ length: 6 }, (_, i) => {
    mkdirSync(join(home, String(i)))
    return boot(join(home, String(i)), async (ended) => {
      started.push(i)
      ends.push(ended)
    })
  })
  const isUp = (i: number) => writeFileSync(join(home, String(i), agentFiles.agent), '')
  await Promise.all(all.slice(0, 2))
  assert.deepEqual(started, [0, 1])
  isUp(1)
  await all[2]
  assert.deepEqual(started, [0, 1, 2])
  ends[0]?.()
  await all[3]
  assert.deepEqual(started, [0, 1, 2, 3])
  for (const i of [2, 3]) isUp(i)
  await until('all were started', () => started.length === 6)
})
