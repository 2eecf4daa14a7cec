import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { openFaultProxy } from '#rigs/fault-proxy.ts'
import { withOnePlane } from '#test/torture/one-plane.ts'
import type { Round } from '#test/torture/round.ts'
import { storm } from '#test/torture/storm.ts'
import { marksOf, type Expected } from '#test/torture/work.ts'

const bin = new URL('../../../bin/isobar.js', import.meta.url).pathname
/** One that the command line never ends with by itself. */
const exitCode = 42
/** Twice as long as a command waits for a server that says nothing, and then some. */
const mostMs = 150_000
const mostAtOnce = 12

type Said = { code: number | null; stdout: string; stderr: string }

/**
 * Commands run jobs over a bad network, and follow some of them. What a command says must be true: the job is there once,
 * its log is whole, its exit code is its own; or the command failed, and says why and what to do.
 */
export const commandNetwork: Round = {
  about: 'the network between commands and control plane delays, drops, cuts and trickles; what commands say is true',
  run: (setting) =>
    withOnePlane(setting, { name: 'the way of the commands was bad' }, async ({ home, port }) => {
      const { scratch, draw } = setting
      const proxy = await openFaultProxy({ target: { port, host: '127.0.0.1' }, draw })
      const expected: Expected[] = []
      const wrong: string[] = []
      const running = new Set<Promise<void>>()
      const env = (): NodeJS.ProcessEnv => ({
        PATH: process.env['PATH'],
        ISOBAR_HOME: join(scratch, 'commands'),
        ISOBAR_SERVER: `http://127.0.0.1:${proxy.port}`,
        ISOBAR_TOKEN: readFileSync(join(home, 'token'), 'utf8').trim(),
      })
      const begin = (): void => {
        const name = `command${expected.length}`
        const follows = draw() < 0.6
        const one: Expected = { name, state: 'failed', exitCode, ranks: 1, tasks: 0 }
        expected.push(one)
        const done = command([...runOf({ scratch, name, seconds: draw() * 3 }, follows)], env()).then((said) => {
          if (isDone(said, follows)) return
          Object.assign(one, { maybe: true })
          wrong.push(...judged(name, said, follows))
        })
        running.add(done)
        void done.finally(() => running.delete(done))
      }
      return {
        expected,
        async strike() {
          const over = storm(proxy, draw, 3_000)
          for (let i = 0; i < 3 && running.size < mostAtOnce; i++) {
            begin()
            await sleep(draw() * 300)
          }
          await over
          await sleep(draw() * 1_000)
          return null
        },
        async calm() {
          proxy.calm()
          await Promise.all(running)
        },
        check: async () => wrong,
        close: () => proxy.close(),
      }
    }),
}

function runOf({ scratch, name, seconds }: { scratch: string; name: string; seconds: number }, follows: boolean) {
  const mark = (when: string) => `echo "${name} attempt $ISOBAR_ATTEMPT rank 0 ${when}" | tee -a ${marksOf(scratch)}`
  const script = `${mark('start')}; sleep ${seconds.toFixed(2)}; ${mark('end')}; exit ${exitCode}`
  const head = ['run', '--name', name, '--env', `TORTURE=${scratch}`, '--cpus', '0.25', '--memory', '32MB']
  return [...head, ...(follows ? [] : ['--detach']), '--', script]
}

/** Whether it says that the job is there, or was, and all of what it should. */
const isDone = ({ code, stdout }: Said, follows: boolean): boolean =>
  follows ? code === exitCode && /^.* start\n.* end\n$/.test(stdout) : code === 0 && /^\S+\n$/.test(stdout)

/** A command that failed says why and what to do next; one that says that all went well shows the whole log. */
function judged(name: string, { code, stdout, stderr }: Said, follows: boolean): string[] {
  if (code === null) return [`the command of ${name} did not end: ${stderr}`]
  if (code === 0 || (follows && code === exitCode))
    return [`the command of ${name} ended with ${code} and said: ${stdout}`]
  return /^error: .*[\s\S]*^next: /m.test(stderr) ? [] : [`the command of ${name} ended with ${code}: ${stderr}`]
}

function command(argv: string[], env: NodeJS.ProcessEnv): Promise<Said> {
  const child = spawn(process.execPath, [bin, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: mostMs })
  const said: Said = { code: null, stdout: '', stderr: '' }
  child.stdout.on('data', (part) => (said.stdout += String(part)))
  child.stderr.on('data', (part) => (said.stderr += String(part)))
  return new Promise((resolve) => child.once('close', (code) => resolve({ ...said, code })))
}
