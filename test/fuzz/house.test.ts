import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'

type Ended = { code: number | null; lines: string[] }

/** Runs the command; each of its lines is heard as it comes. */
async function fuzz(args: string, hear: (line: string, pid: number) => void = () => undefined): Promise<Ended> {
  const command = [join(import.meta.dirname, 'house.ts'), ...args.split(' ')]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const lines: string[] = []
  for await (const line of createInterface(child.stdout)) {
    lines.push(line)
    hear(line, child.pid ?? 0)
  }
  const [code] = await ended
  return { code: code === null ? null : Number(code), lines }
}

test('a worker that is killed fails the run, which names the seeds that were not told', async () => {
  const { code, lines } = await fuzz('--from 40 --seeds 4 --jobs 2', (line) => {
    const worker = /^worker (\d+) tells seeds 40 42$/.exec(line)?.[1]
    if (worker) process.kill(Number(worker), 'SIGKILL')
  })
  const [killed, last] = lines.slice(-2)
  assert.match(killed ?? '', /^worker \d+ was killed by SIGKILL, and did not tell seeds 40 42$/)
  assert.equal(last, 'only 2 of 4 seeds were told')
  assert.equal(code, 1)
})

test('a run whose time is over before its seeds are told says how many it told, and fails', async () => {
  const { code, lines } = await fuzz('--seeds 1000000 --minutes 0.0001')
  assert.match(lines.at(-1) ?? '', /^only \d of 1000000 seeds were told: the time was over$/)
  assert.equal(code, 1)
  const timed = await fuzz('--minutes 0.0001')
  assert.match(timed.lines.at(-1) ?? '', /^\d stories, 0 failed/)
  assert.equal(timed.code, 0)
})

test('a run that is interrupted tells what came of the stories until then', async () => {
  let workers = 0
  const { code, lines } = await fuzz('--minutes 5 --jobs 2', (line, pid) => {
    if (line.startsWith('worker') && ++workers === 2) process.kill(pid, 'SIGINT')
  })
  assert.match(lines.at(-2) ?? '', /^\d+ stories, 0 failed/)
  assert.equal(lines.at(-1), 'it was interrupted')
  assert.equal(code, 130)
})

test('what cannot be told is refused with what can, and no story is', () => {
  for (const [args, says] of [
    ['--measure x', 'error: --measure x: there is none of that name\nname one of story, fleet, week\n'],
    ['--seeds many', 'error: --seeds many: it is no number\ngive one, as in --seeds 10\n'],
  ] as const) {
    const command = [join(import.meta.dirname, 'house.ts'), ...args.split(' ')]
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8', timeout: 20_000 })
    assert.deepEqual([status, stdout, stderr], [2, '', says])
  }
})
