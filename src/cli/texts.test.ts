import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { callMain, openHouse, type House } from './captured.ts'
import { processIo } from './io.ts'

// What people read, on a real house: a service that serves, a job that cannot run, and one that has ended.

let house: House
const spec = `
kind: service
name: web
replicas: 2
ports: [8080]
resources: { cpus: 0.2, memory: 64MB }
run: exec node -e 'require("node:http").createServer((_, to) => to.end("hello")).listen(process.env.PORT)'
---
kind: job
name: big
resources: { accelerators: H200:8 }
run: train
`

before(async () => {
  house = await openHouse()
  const given = { env: house.env, cwd: house.home }
  // What has ended before it was heard to run is told without a time.
  const ends = 'until [ -e "$GO" ]; do sleep 0.02; done; echo hi; exit 3'
  const go = join(house.home, 'go')
  await house.isobar('run', '-d', '--name', 'done', '--env', `GO=${go}`, '--', ends)
  await house.isobar('wait', 'done', '--for', 'running', '--timeout', '30s')
  writeFileSync(go, '')
  assert.equal((await house.isobar('wait', 'done', '--timeout', '30s', '--exit-code', 'remote')).code, 3)
  const plan = await callMain(['plan', '-', '-o', 'name'], { ...given, input: spec })
  const submitted = await house.isobar('apply', plan.stdout.trim())
  assert.equal(submitted.code, 0, submitted.stderr)
  const ready = await house.isobar('wait', 'web', '--for', 'ready', '--timeout', '30s')
  assert.equal(ready.code, 0, ready.stderr)
})
after(async () => {
  await house.isobar('stop', 'web', 'big', '--wait')
  await house.close()
})

/** A text with what differs from run to run named instead, and blanks as one. */
const calm = (text: string): string =>
  text
    .replaceAll(/\b([wp])-[0-9a-z]{16}\b/g, '$1-ID')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/\b\d+(\.\d+)?m?s\b/g, 'SECONDS')
    .replaceAll(/\$[\d.]+/g, 'MONEY')
    .replaceAll(/127(\.\d+){3}(:\d+)?/g, 'ADDRESS')
    .replaceAll(/[^\S\n]+/g, ' ')
    .trimEnd()

const told = async (...argv: string[]): Promise<string> => {
  const { stdout, stderr } = await house.isobar(...argv)
  return calm(stdout + stderr)
}

test('ps shows what runs and what waits, and why below', async () => {
  const lines = (await told('ps')).split('\n')
  assert.equal(lines[0], 'NAME ID KIND STATE READY SITE PRICE/H SPENT AGE')
  assert.ok(lines.includes('web w-ID service running 2/2 local/here MONEY MONEY SECONDS'), lines.join('\n'))
  assert.ok(lines.includes('big w-ID job queued 0/1 – MONEY MONEY SECONDS'), lines.join('\n'))
  assert.match(lines.at(-1) ?? '', /^ big: No site has a node with 8 H200; none has any accelerator\./)
})

test('ps of all has what has ended, and wide the endpoints of services', async () => {
  assert.match(await told('ps', '--all'), /^done w-ID job failed – – MONEY MONEY SECONDS$/m)
  assert.match(await told('ps', '-o', 'wide'), /^web .* ADDRESS,ADDRESS –$/m)
  const { stdout } = await house.isobar('ps', '-o', 'jsonpath=.items[*].endpoints')
  assert.equal(stdout.split('\n').filter((line) => JSON.parse(line || '[]').length === 2).length, 1, stdout)
})

test('plan tells whole why something has no place, however narrow the terminal', async () => {
  const given = { env: house.env, cwd: house.home, width: 60, input: spec.split('---')[1] ?? '' }
  const { code, stdout, stderr } = await callMain(['plan', '-'], given)
  assert.equal(code, 6, stderr)
  assert.match(stdout, /^NAME .*\nbig .* no place now\n {2}big: No site has a node with 8 H200; .*\n/)
  assert.match(stderr, /\nnext: isobar offers --gpu H200\n$/)
})

const bare = (text: string): string => text.replaceAll(' ', '')

test('doctor and cost lose nothing on a narrow terminal', async () => {
  const given = { env: house.env, cwd: house.home }
  const narrow = async (...argv: string[]): Promise<string[]> => {
    const lines = (await callMain(argv, { ...given, width: 40 })).stdout.trimEnd().split('\n')
    for (const line of lines) assert.ok([...line].length <= 40, line)
    return lines
  }
  const checks = await narrow('doctor')
  const details = bare(checks.map((line) => line.slice(checks[0]?.indexOf('DETAIL'))).join(''))
  const { url } = JSON.parse((await house.isobar('server', 'status', '-o', 'json')).stdout)
  for (const detail of [url, bare(house.home), process.version]) assert.ok(details.includes(detail), details)
  const { rows } = JSON.parse((await house.isobar('cost', '-o', 'json')).stdout)
  const named = bare((await narrow('cost')).map((line) => line.replace(/ +\$.*/, '')).join(''))
  assert.ok(rows.length > 0)
  for (const { keys } of rows) assert.match(named, new RegExp(`\\(${keys[0]}\\)`))
})

test('why tells of what waits the cause, the closest offer and the next command', async () => {
  const text = await told('why', 'big')
  assert.match(text, /^big \(w-ID\): waiting for a place\nNo site has a node with 8 H200/)
  assert.match(text, /local\/here .*: a node has no accelerator, asked for 8 H200/)
  assert.match(text, /\nnext: isobar offers --gpu H200$/)
})

test('why tells of what runs and what has ended where, and why there', async () => {
  assert.match(
    await told('why', 'web'),
    /^web \(w-ID\): 2 of 2 ready on local\/here\nAttempts 1 and 2 running\. local\/here \(.*\n/,
  )
  assert.match(
    await told('why', 'done'),
    /^done \(w-ID\): failed with exit code 3 after SECONDS\n.*\nnext: isobar logs w-ID$/s,
  )
})

test('describe tells state, price, conditions, attempts, ranks and events', async () => {
  const text = await told('describe', 'web')
  for (const line of [
    'Name: web (w-ID)',
    'Kind: service in project default, priority 0',
    'State: 2 of 2 ready on local/here',
    'Endpoints: ADDRESS, ADDRESS',
    'Gateway: none runs here; one address: isobar gateway',
    'Ready true 2 of 2 ready',
    'Ended false',
    '2 1 running local/here on-demand SECONDS SECONDS MONEY MONEY – –',
    'TIME web was submitted by root',
  ])
    assert.ok(
      text
        .replaceAll(/by \w+/g, 'by root')
        .split('\n')
        .some((one) => one.trim() === line),
      `${line}\n${text}`,
    )
})

test('a gateway that runs here has its address in the description of a service', async () => {
  const bin = fileURLToPath(new URL('../../bin/isobar.js', import.meta.url))
  const gateway = spawn(process.execPath, [bin, 'gateway', '--port', '0'], {
    env: house.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [said] = await once(gateway.stderr, 'data')
  const url = /at (http:\S+?)\/<project>/.exec(String(said))?.[1]
  const { stdout } = await house.isobar('describe', 'web')
  assert.ok(stdout.includes(`${url}/default/web/`), `${String(said)}\n${stdout}`)
  assert.equal(await (await fetch(`${url}/default/web/`)).text(), 'hello')
  gateway.kill('SIGINT')
  await once(gateway, 'close')
  assert.match(await told('describe', 'web'), /^Gateway: none runs here/m)
})

test('doctor looks at everything, and each thing that is not right has its fix on a line of its own', async () => {
  const lines = (await told('doctor')).split('\n')
  const names = [
    'node',
    'server',
    'state directory',
    'disk',
    'database',
    'clock',
    'limits',
    'accelerators',
    'sites',
    'offers',
  ]
  for (const name of names)
    assert.ok(
      lines.some((line) => new RegExp(`^(yes|no|warning) ${name} \\S`).test(line)),
      name,
    )
  const wrong = lines.filter((line) => /^(no|warning) /.test(line))
  assert.equal(lines.filter((line) => line.startsWith('next: ')).length, wrong.length)
  assert.ok(lines.includes('yes sites local/here answer'))
})

test('doctor finds a secret that others may read and a site that does not answer', async () => {
  const [token, site] = [join(house.home, 'token'), join(house.home, 'local', 'here')]
  chmodSync(token, 0o644)
  const open = await told('doctor')
  chmodSync(token, 0o600)
  assert.match(open, /^no state directory others may read .*\/token$/m)
  assert.match(open, /^next: chmod go= \/.*\/token \(state directory\)$/m)
  assert.equal((await house.isobar('doctor')).code, 0)
  renameSync(site, `${site}.away`)
  try {
    for (let tries = 0; !/^no +sites /m.test((await house.isobar('doctor')).stdout); tries++) {
      assert.ok(tries < 200, 'it was not seen')
      await sleep(50)
    }
    const away = await told('doctor')
    assert.match(away, /^no sites local\/here is unreachable \(.*site\.json cannot be read\)$/m)
    assert.match(away, /^next: isobar sites \(sites\)$/m)
    assert.match(
      await told('describe', 'web'),
      /^Reachable unknown local\/here does not answer; what it runs is left alone/m,
    )
  } finally {
    renameSync(`${site}.away`, site)
  }
})

test('on a terminal who asks for a pager gets it for what looks, and nothing else', async () => {
  const seen = join(house.home, 'seen')
  const script = join(house.home, 'pager.mjs')
  writeFileSync(
    script,
    `import { writeFileSync } from 'node:fs'
let text = ''
for await (const part of process.stdin) text += part
writeFileSync(process.argv[2], text)`,
  )
  const pager = `${process.execPath} ${script} ${seen}`
  const tty = { stdin: false, stdout: true, stderr: false }
  const called = (argv: string[], more: Record<string, string>, terminal = tty) =>
    callMain(argv, { env: { ...house.env, ...more }, cwd: house.home, tty: terminal })
  const paged = await called(['describe', 'web'], { PAGER: 'false', ISOBAR_PAGER: pager })
  assert.deepEqual([paged.code, paged.stdout], [0, ''])
  assert.match(readFileSync(seen, 'utf8'), /web/)
  rmSync(seen)
  assert.match((await called(['describe', 'web'], { PAGER: pager }, { ...tty, stdout: false })).stdout, /web/)
  assert.match((await called(['version'], { PAGER: pager })).stdout, /isobar/)
  assert.match((await called(['ps'], { PAGER: pager, ISOBAR_PAGER: '' })).stdout, /web/)
  assert.equal(existsSync(seen), false)
  // Who has seen enough ends it.
  assert.equal((await called(['events'], { PAGER: 'true' })).code, 0)
  assert.match((await called(['ps'], { PAGER: 'no-such-pager' })).stderr, /the pager no-such-pager cannot be started/)
})

test('a terminal can be asked for where there is none', () => {
  const streams = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr }
  const { width, tty } = processIo({ ...streams, env: { ISOBAR_FORCE_TTY: '132' } })
  assert.deepEqual([width, tty.stdout, tty.stderr], [132, true, true])
  assert.equal(processIo({ ...streams, env: { ISOBAR_FORCE_TTY: '1' } }).width, 40)
})

test('init writes a spec that is right, once', async () => {
  for (const kind of ['job', 'service', 'array']) {
    const made = await house.isobar('init', kind, '--file', `${kind}.yaml`)
    assert.equal(made.code, 0, made.stderr)
    const valid = await house.isobar('validate', `${kind}.yaml`, '-o', 'name')
    assert.equal(valid.stderr, '')
    assert.equal(valid.stdout, `${kind}\n`)
    const again = await house.isobar('init', kind)
    assert.equal(again.code, 5)
  }
  assert.match(
    (await house.isobar('init', '-f', '-')).stdout,
    /^# yaml-language-server: \$schema=\S+spec\.schema\.json\n/,
  )
})
