import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { signal } from '#kit/processes.ts'

const program = `
import { withPostgres } from '#rigs/postgres.ts'
const { pid, url } = await withPostgres()
const socket = new URL(url.replace('@/', '@x/')).searchParams.get('host')
console.log(JSON.stringify({ pid: pid(), socket }))
setInterval(() => {}, 1000)
`

test('the throwaway PostgreSQL of a test that was killed ends, and its folder goes', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(child.stdout, 'data')) as [Buffer] // one short line
  const { pid, socket } = JSON.parse(line.toString()) as { pid: number; socket: string }
  assert.ok(signal(pid, 0) && existsSync(socket))
  child.kill('SIGKILL')
  for (const until = performance.now() + 20_000; existsSync(socket); await sleep(20))
    assert.ok(performance.now() < until, `${socket} is still there`)
})
