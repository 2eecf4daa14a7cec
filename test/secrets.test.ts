import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

import { callMain, openHouse, type Captured, type House } from '#cli/captured.ts'

// What becomes of secrets, files and logs: one real server with its own database, the local provider, real processes.

const bin = fileURLToPath(new URL('../bin/isobar.js', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'isobar-secret-'))
let house: House
let server: { url: string; token: string }

before(async () => {
  house = await openHouse()
  const { url } = JSON.parse(readFileSync(join(house.home, 'server.json'), 'utf8'))
  server = { url, token: readFileSync(join(house.home, 'token'), 'utf8').trim() }
})
after(async () => {
  for (const name of ['go', 'again']) writeFileSync(join(scratch, name), '') // what still waits, after a failure
  await house.close()
  rmSync(scratch, { recursive: true, force: true })
})

/** A value that looks different in every notation. */
const aValue = (): string => `p"ä\\ss <${randomBytes(12).toString('hex')}> %41/+&=' word`

/**
 * How a value may look where it must not be. Its random part is the same as it is, in JSON and in an address; beside that
 * there are hex, and base64 with that part at any of three offsets, without the letters that its neighbours share.
 */
function notations(value: string): Buffer[] {
  const random = /<(\w+)>/.exec(value)?.[1] ?? value
  const hex = Buffer.from(random).toString('hex')
  const inBase64 = [0, 1, 2].map((shift) =>
    Buffer.from(' '.repeat(shift) + random)
      .toString('base64')
      .slice(4, -4),
  )
  return [random, hex, hex.toUpperCase(), ...inBase64].map((text) => Buffer.from(text))
}

const values = { FROM_STDIN: aValue(), FROM_FILE: aValue(), OTHER: aValue() }
const forbidden = Object.values(values).flatMap(notations)
const seenIn = (bytes: Buffer): boolean => forbidden.some((form) => bytes.includes(form))
const clean = (what: string, text: string) => assert.ok(!seenIn(Buffer.from(text)), `a secret stands in ${what}`)

function* filesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else if (entry.isFile()) yield path
  }
}

/** Files of the state directory and of its database in which a secret stands. */
function filesWithSecrets(): string[] {
  const { home: database } = JSON.parse(readFileSync(join(house.home, 'pg', 'where.json'), 'utf8'))
  const folders = database.startsWith(house.home) ? [house.home] : [house.home, database]
  return folders
    .flatMap((folder) => [...filesBelow(folder)])
    .filter((path) => {
      try {
        return seenIn(readFileSync(path))
      } catch {
        return false // it was removed this moment
      }
    })
}

/** Looks at the argument lists of all processes until it is told to stop; gives those with a secret. */
function watchArguments(): () => string[] {
  const found = new Set<string>()
  const look = () => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`)
        if (seenIn(line)) found.add(line.toString().replaceAll('\0', ' '))
      } catch {
        continue // it has ended
      }
  }
  const timer = setInterval(look, 40)
  return () => {
    look()
    clearInterval(timer)
    return [...found]
  }
}

/** A command as a process of its own. */
function isobar(argv: string[], input = ''): Promise<Captured> {
  const child = spawn(process.execPath, [bin, ...argv], { env: house.env, cwd: scratch })
  const text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (part) => (text[name] += String(part)))
  child.stdin.end(input)
  return new Promise((resolve) => void child.once('close', (code) => resolve({ code: code ?? -1, ...text })))
}

const ask = (path: string) =>
  fetch(server.url + path, { headers: { authorization: `Bearer ${server.token}` }, signal: AbortSignal.timeout(9000) })

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 20_000; !(await isSo()); await sleep(25))
    assert.ok(performance.now() < deadline, `waited 20 s in vain: ${what}`)
}

const show = async (name: string) => JSON.parse((await house.isobar('describe', name, '-o', 'json')).stdout)

const sha256 = (value: string): string => createHash('sha256').update(value).digest('hex')

const spec = `kind: job
name: reader
secrets: [FROM_STDIN, FROM_FILE]
resources: { cpus: 0.5, memory: 64MB }
run: |
  printf %s "$FROM_STDIN" | sha256sum
  printf %s "$FROM_FILE" | sha256sum
  echo "other: \${OTHER-none}"
  while [ ! -e ${join(scratch, 'go')} ]; do sleep 0.05; done
`

test('a secret reaches the workload that names it, and stands nowhere else', async (t) => {
  const stop = process.platform === 'linux' ? watchArguments() : () => []
  t.after(stop)
  const file = join(scratch, 'value')
  writeFileSync(file, values.FROM_FILE)
  const set = await Promise.all([
    isobar(['secret', 'set', 'FROM_STDIN'], `${values.FROM_STDIN}\n`),
    isobar(['secret', 'set', 'FROM_FILE', '--file', file]),
    isobar(['secret', 'set', 'OTHER'], values.OTHER),
  ])
  const running = isobar(['run', '-'], spec)
  await until('it has read them', async () => (await house.isobar('logs', 'reader')).stdout.includes('other'))
  const plan = await callMain(['plan', '-', '-o', 'name'], { env: house.env, cwd: scratch, input: spec })

  const { id } = await show('reader')
  const { paths } = JSON.parse(await (await ask('/openapi.json')).text())
  const gets = Object.keys(paths).filter((path) => 'get' in paths[path])
  assert.ok(gets.length > 15)
  for (const path of [...gets, '/openapi.json', '/docs', '/v1/workloads?state=all', '/v1/cost?by=workload']) {
    const own = path.replace('{workload}', id).replace('{plan}', plan.stdout.trim()).replace('{hash}', '0'.repeat(64))
    const answer = await ask(own.endsWith('/wait') ? `${own}?for=running` : own)
    assert.ok(answer.status < 500, own)
    clean(`the answer to ${own}`, await answer.text())
  }
  assert.deepEqual(filesWithSecrets(), [], 'while it runs')

  writeFileSync(join(scratch, 'go'), '')
  const ran = await running
  assert.deepEqual(
    ran.stdout.replaceAll('  -', '').split('\n'),
    [sha256(values.FROM_STDIN), sha256(values.FROM_FILE), 'other: none', ''],
    ran.stderr,
  )
  await until('its lease is gone', async () => (await show('reader')).attemptList[0].lease.state === 'gone')
  const backup = join(scratch, 'backup')
  const said = await Promise.all([
    isobar(['db', 'backup', backup]),
    isobar(['events', '-o', 'json']),
    isobar(['describe', 'reader']),
    isobar(['why', 'reader']),
    isobar(['doctor']),
    isobar(['secret', 'list']),
  ])
  for (const { code, stdout, stderr } of [...set, plan, ran, ...said]) {
    assert.ok([0, 10].includes(code), stderr)
    clean('the output of a command', stdout + stderr)
  }
  clean('a backup', gunzipSync(readFileSync(backup)).toString('latin1'))
  assert.deepEqual(filesWithSecrets(), [], 'after its end')
  assert.ok(statSync(join(house.home, 'logs', 'server.log')).size > 0, 'the log of the server was looked at')
  assert.deepEqual(stop(), [])
})

test('no error repeats the value of a secret', async () => {
  const value = values.OTHER
  const tooLarge = value.repeat(2000)
  const nowhere = { ...house.env, ISOBAR_SERVER: 'http://127.0.0.1:1', ISOBAR_TOKEN: 'x'.repeat(40) }
  const at = { env: house.env, cwd: scratch, input: value }
  const refused = await Promise.all([
    callMain(['secret', 'set', 'not a name'], at),
    callMain(['secret', 'set', 'OTHER', '--project', 'nobodys'], at),
    callMain(['secret', 'set', 'OTHER'], { ...at, input: tooLarge }),
    callMain(['secret', 'set', 'OTHER'], { ...at, input: `${value}\0` }),
    callMain(['secret', 'set', 'OTHER'], { ...at, env: nowhere }),
    callMain(['secret', 'set', 'OTHER', value], at),
    callMain(['secret', 'set', `OTHER=${value}`], at),
    callMain(['secret', 'set', 'OTHER', '--value', value], at),
    callMain(['secret', 'set', 'OTHER', `--value=${value}`], at),
  ])
  for (const [index, { code, stdout, stderr }] of refused.entries()) {
    assert.notEqual(code, 0, String(index))
    clean(`error ${index}: ${stderr}`, stdout + stderr)
    assert.match(stderr, /next: /)
  }
  for (const [name, body] of [
    ['OTHER', tooLarge],
    ['OTHER', `${value}\0`],
    [encodeURIComponent('not a name'), value],
  ]) {
    const headers = { authorization: `Bearer ${server.token}` }
    const answer = await fetch(`${server.url}/v1/secrets/${name}`, { method: 'PUT', headers, body: body ?? '' })
    assert.ok(answer.status >= 400 && answer.status < 500)
    clean('a problem', await answer.text())
  }
  assert.deepEqual(filesWithSecrets(), [])
})

test('a secret that is removed while a workload waits holds that back, says why, and lets it go when it is set again', async () => {
  const waiting = 'kind: job\nname: bare\nsecrets: [LATER]\nresources: { cpus: 1, memory: 64MB }\nrun: echo "$LATER"\n'
  const input = (text: string) => ({ env: house.env, cwd: scratch, input: text })
  await callMain(['secret', 'set', 'LATER'], input('one'))
  const all = 'kind: job\nname: all\nnodes: 4\nresources: { cpus: 1, memory: 64MB }\nrun: sleep 1000\n'
  await callMain(['run', '--detach', '-'], input(all))
  await until('all is taken', async () => (await show('all')).state === 'running')
  await callMain(['run', '--detach', '-'], input(waiting))
  const why = async () => JSON.parse((await house.isobar('why', 'bare', '-o', 'json')).stdout)
  await until('it waits for room', async () => (await why()).cause === 'capacity')
  await house.isobar('secret', 'rm', 'LATER')
  await until('it waits for its secret', async () => (await why()).cause === 'secret')
  assert.match((await show('bare')).reason, /names the secret LATER, which project default does not have any more/)
  assert.equal((await why()).next[0], 'isobar secret set LATER')
  await house.isobar('stop', 'all', '--wait')
  assert.equal((await show('bare')).attemptList.length, 0)
  await callMain(['secret', 'set', 'LATER'], input('two'))
  assert.equal((await house.isobar('wait', 'bare', '--timeout', '20s')).code, 0)
  assert.equal((await house.isobar('logs', 'bare')).stdout, 'two\n')
})

test('a workdir that is edited after the submit changes nothing of what runs, restarts or is applied', async () => {
  const folder = join(scratch, 'work')
  mkdirSync(folder)
  const [text, go] = [join(folder, 'text'), join(scratch, 'again')]
  const write = (content: string) => {
    writeFileSync(text, `${content}\n`)
    writeFileSync(join(folder, content), '')
  }
  write('first')
  const file = join(folder, 'job.yaml')
  const steps = `if [ $ISOBAR_ATTEMPT = 2 ]; then cat text; ls; exit; fi; cat text\n  while [ ! -e ${go} ]; do sleep 0.05; done; cat text; exit 7`
  writeFileSync(
    file,
    `kind: job\nname: edited\nworkdir: .\nresources: { cpus: 0.5, memory: 64MB }\nretry: { onExit: [7], times: 1 }\nrun: |\n  ${steps}\n`,
  )
  const planned = (await house.isobar('plan', file, '-o', 'name')).stdout.trim()
  const submitted = house.isobar('run', file)
  await until('it runs', async () => (await house.isobar('logs', 'edited')).stdout === 'first\n')
  write('second')
  writeFileSync(go, '')
  const { code, stdout, stderr } = await submitted
  assert.equal(code, 0, stderr)
  assert.equal(stdout, 'first\nfirst\nfirst\nfirst\njob.yaml\ntext\n')
  assert.equal((await show('edited')).attemptList.length, 2)
  // The plan was made of the old folder as well.
  const applied = await house.isobar('apply', planned, '--yes')
  assert.equal(applied.code, 0, applied.stderr)
  assert.equal((await house.isobar('wait', applied.stdout.trim(), '--timeout', '20s')).code, 0)
  assert.equal(
    (await house.isobar('logs', applied.stdout.trim(), '--attempt', '2')).stdout,
    'first\nfirst\njob.yaml\ntext\n',
  )
})

test('logs are read when the machine, its site and all it kept are gone', async () => {
  const site = join(house.home, 'local', 'here')
  const { id, attemptList } = await show('edited')
  await until('its leases are gone', async () =>
    (await show(id)).attemptList.every(({ lease }: { lease: { state: string } }) => lease.state === 'gone'),
  )
  assert.deepEqual(readdirSync(join(site, 'orders')), [])
  renameSync(site, `${site}.away`)
  try {
    assert.equal(attemptList.length, 2)
    assert.equal((await house.isobar('logs', id, '--attempt', '1')).stdout, 'first\nfirst\n')
    assert.equal((await house.isobar('logs', '-f', id, '--attempt', '2')).stdout.split('\n')[0], 'first')
  } finally {
    renameSync(`${site}.away`, site)
  }
})
