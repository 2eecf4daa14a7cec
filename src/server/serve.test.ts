import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'

import { aDatabase, aReadyDatabase, bringUpToDate } from '#rigs/postgres.ts'
import { aHome, aServer, ask } from '#rigs/server.ts'
import { placeFor } from '#store/embedded/place.ts'
import { readOptions } from './options.ts'
import { serve } from './serve.ts'
import { ServerProblem } from './server-problem.ts'
import { version } from './version.ts'

test('a job runs to its end, and its log can be read meanwhile and when its machine is gone', async (t) => {
  const server = await aServer(t, { home: aHome(t), url: await aDatabase(), port: 0 })
  const text = 'kind: job\nname: hi\nrun: echo hi from $ISOBAR_WORKLOAD; sleep 0.1; echo bye; exit 3\n'
  const made = await ask(server, 'POST /v1/workloads', { text })
  const { id } = made.json.workloads[0]
  const followed = await ask(server, `GET /v1/workloads/${id}/logs?follow=true`)
  assert.match(followed.text, /^hi from .+\nbye\n$/)
  const ended = await ask(server, `GET /v1/workloads/${id}/wait?timeoutSeconds=20`)
  assert.equal(ended.json.state, 'failed')
  assert.equal(ended.json.exitCode, 3)
  for (let tries = 0; tries < 400; tries++) {
    const { lease } = (await ask(server, `GET /v1/workloads/${id}`)).json.attemptList[0]
    if (lease.state === 'gone') break
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  assert.equal((await ask(server, `GET /v1/workloads/${id}`)).json.attemptList[0].lease.state, 'gone')
  assert.equal((await ask(server, `GET /v1/workloads/${id}/logs`)).text, followed.text)
  assert.equal((await ask(server, `GET /v1/workloads/${id}/logs?rank=all`)).text.split('\n')[1], '[0] bye')
  assert.match((await ask(server, `GET /v1/workloads/${id}/why`)).json.text, /failed/)
})

test('only the owner gets into the state directory, its token and its key; others are told where they are', async (t) => {
  const home = aHome(t)
  const { url } = await aServer(t, { home, url: await aReadyDatabase(), port: 0 })
  assert.equal(statSync(home).mode & 0o777, 0o700)
  for (const name of ['token', 'key', 'server.json']) assert.equal(statSync(join(home, name)).mode & 0o777, 0o600)
  const stranger = await fetch(`${url}/v1/server`)
  assert.equal(JSON.parse(await stranger.text()).next[0], `export ISOBAR_TOKEN="$(cat ${join(home, 'token')})"`)
})

test('a second server on the same state directory is refused with the address of the first', async (t) => {
  const home = aHome(t)
  const url = await aReadyDatabase()
  const first = await aServer(t, { home, url, port: 0 })
  await assert.rejects(aServer(t, { home, url, port: 0 }), (error) => {
    assert.ok(error instanceof ServerProblem && error.code === 'conflict')
    assert.ok(error.message.includes(first.url))
    assert.match(error.message, /isobar server stop$/)
    return true
  })
})

const refused = (error: unknown) =>
  error instanceof ServerProblem && /another key.*\n.*lost.*\n.*--key-file/.test(error.message)

test('a control plane with another key than that of its database is refused, unless nothing hangs on the key', async (t) => {
  const url = await aReadyDatabase()
  const first = await aServer(t, { home: aHome(t), url, port: 0 })
  await assert.rejects(aServer(t, { home: aHome(t), url, port: 0 }), refused)
  await first.close()
  const second = await aServer(t, { home: aHome(t), url, port: 0 })
  const put = { method: 'PUT', headers: { authorization: `Bearer ${second.token}` }, body: 'hush' }
  assert.equal((await fetch(`${second.url}/v1/secrets/TOKEN`, put)).status < 300, true)
  await second.close()
  await assert.rejects(aServer(t, { home: aHome(t), url, port: 0 }), refused)
})

test('a key file that is named and missing is made for a new house, and refused for one that has a key', async (t) => {
  const [home, url] = [aHome(t), await aReadyDatabase()]
  const environment = { ISOBAR_HOME: home, DATABASE_URL: url, ISOBAR_LOG_LEVEL: 'silent' }
  const open = async (keyFile: string) => {
    const server = await serve(readOptions({ keyFile, port: 0 }, environment))
    t.after(() => server.close())
    return server
  }
  const right = join(home, 'shared.key')
  await (await open(right)).close()
  const wrong = join(home, 'shred.key')
  await assert.rejects(open(wrong), (error) => {
    assert.ok(error instanceof ServerProblem)
    assert.match(error.message, /^There is no .*shred\.key, [\s\S]*\nName the file .*--key-file FILE/)
    return true
  })
  assert.ok(!existsSync(wrong) && !existsSync(join(home, 'lock')))
  await (await open(right)).close()
})

test('a connection becomes a tunnel only for who may, and another upgrade is none', async (t) => {
  const server = await aServer(t, { home: aHome(t), url: await aReadyDatabase(), port: 0 })
  const statusOf = async (path: string, upgrade: string, token = ''): Promise<string> => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    const head = [
      'Host: 127.0.0.1',
      `Authorization: Bearer ${token}`,
      'Connection: close, upgrade',
      `Upgrade: ${upgrade}`,
    ]
    socket.write([`GET ${path} HTTP/1.1`, ...head, '', ''].join('\r\n'))
    return (await textOf(socket)).slice(0, 12)
  }
  const path = '/v1/tunnels/0.l-1.far.kubernetes.isobar.internal:80'
  assert.equal(await statusOf(path, 'isobar-tunnel'), 'HTTP/1.1 401')
  assert.equal(await statusOf(path, 'isobar-tunnel', server.token), 'HTTP/1.1 404')
  assert.equal(await statusOf('/healthz', 'h2c'), 'HTTP/1.1 200')
})

test('a lock whose process is gone, or has another birth, is taken over', async (t) => {
  const home = aHome(t)
  const url = await aReadyDatabase()
  for (const owner of [{ pid: 2 ** 22 + 1, birth: 'x' }, { pid: process.pid, birth: 'another boot 1' }, 'garbage']) {
    writeFileSync(join(home, 'lock'), JSON.stringify(owner))
    const server = await aServer(t, { home, url, port: 0 })
    await server.close()
    assert.ok(!existsSync(join(home, 'lock')))
  }
})

test('a restarted server keeps its port, token, clock and workloads', async (t) => {
  const home = aHome(t)
  const url = await aReadyDatabase()
  const first = await aServer(t, { home, url, port: 0 })
  await ask(first, 'POST /v1/workloads', { text: 'kind: job\nname: kept\nrun: "true"\n' })
  const clock = readFileSync(join(home, 'clock.json'), 'utf8')
  await first.close()
  assert.ok(!existsSync(join(home, 'server.json')))
  const second = await aServer(t, { home, url })
  assert.deepEqual([second.url, second.token], [first.url, first.token])
  assert.equal((await ask(second, 'GET /v1/workloads/kept')).json.name, 'kept')
  assert.equal(readFileSync(join(home, 'clock.json'), 'utf8'), clock)
})

test('a port that somebody else has is named together with the way out', async (t) => {
  const other = createServer()
  await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve))
  t.after(() => other.close())
  const address = other.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  await assert.rejects(aServer(t, { home: aHome(t), url: await aReadyDatabase(), port }), /isobar serve --port \d+$/)
})

test('a server that is asked to stop over the API answers, ends soon and tells those who wait for it', async (t) => {
  const home = aHome(t)
  const server = await aServer(t, { home, url: await aReadyDatabase(), port: 0 })
  const stream = await fetch(`${server.url}/v1/events`, {
    headers: { authorization: `Bearer ${server.token}`, accept: 'text/event-stream' },
  })
  const began = performance.now()
  assert.equal((await ask(server, 'POST /v1/server/stop')).status, 200)
  await stream.text().catch(() => '')
  await server.ended
  assert.ok(performance.now() - began < 5000)
  assert.ok(!existsSync(join(home, 'lock')))
})

test('a server ends by itself when a newer version brings its database up to date, and cannot start there again', async (t) => {
  const [home, url] = [aHome(t), await aReadyDatabase()]
  const server = await aServer(t, { home, url, port: 0 })
  await bringUpToDate(url)
  const says = new RegExp(
    `The database was brought up to date by Isobar 9\\.0\\.0: its schema is 9999-later, and this is Isobar ${version}, which .*\n` +
      'Start Isobar 9\\.0\\.0 or a later one here\\.$',
  )
  await assert.rejects(server.ended, says)
  assert.ok(!existsSync(join(home, 'lock')))
  await assert.rejects(aServer(t, { home, url, port: 0 }), says)
})

const open = (given: object, environment = {}) => readOptions({ listen: '0.0.0.0:7411', ...given }, environment)

test('others may listen only with a token of their own', () => {
  assert.throws(() => open({}), /--allow-remote --listen/)
  assert.throws(() => open({ allowRemote: true }), /ISOBAR_TOKEN=/)
  assert.throws(() => open({ allowRemote: true }, { ISOBAR_TOKEN: 'short' }), /32 characters/)
  assert.equal(open({ allowRemote: true }, { ISOBAR_TOKEN: 'x'.repeat(32) }).host, '0.0.0.0')
})

test('a secret file that others may read stops the start with the command that closes it', async (t) => {
  const home = aHome(t)
  writeFileSync(join(home, 'key'), '0'.repeat(64), { mode: 0o644 })
  await assert.rejects(aServer(t, { home, url: await aReadyDatabase(), port: 0 }), /chmod 600/)
  assert.ok(!existsSync(join(home, 'lock')))
})

test('a server that cannot start leaves no database of its own running', async (t) => {
  const home = aHome(t)
  writeFileSync(join(home, 'sites.yaml'), 'sites: 7\n')
  const environment = { ISOBAR_HOME: home, ISOBAR_LOG_LEVEL: 'silent' }
  await assert.rejects(serve(readOptions({ port: 0 }, environment)), /sites\.yaml:1:1/)
  const { data } = placeFor(home)
  assert.ok(existsSync(join(data, 'PG_VERSION')) && !existsSync(join(data, 'postmaster.pid')))
})

test('whoever asks at once for sites sees those that are declared, with what they offer', async (t) => {
  const [home, url] = [aHome(t), await aReadyDatabase()]
  for (const name of ['west', 'north']) {
    writeFileSync(join(home, 'sites.yaml'), `sites: [{ provider: local, name: ${name} }]\n`)
    const server = await aServer(t, { home, url, port: 0 })
    const { json } = await ask(server, 'GET /v1/sites')
    await server.close()
    const site = json.items.find((one: { site: string }) => one.site === `local/${name}`)
    assert.deepEqual([site?.reach, site?.offers], ['reachable', 1])
  }
})

test('a job that must not run here ends at a simulated site of sites.yaml, at its price', async (t) => {
  const home = aHome(t)
  writeFileSync(
    join(home, 'sites.yaml'),
    `sites:
  - { provider: local, name: here }
  - { provider: simulated, name: cloud, jurisdictions: [SE, EU], price: $40/h, boot: 10ms, run: 50ms, nodes: 4,
      shape: { cpus: 128, memory: 2TB, accelerators: H200:8, acceleratorMemory: 141GB } }
`,
  )
  const server = await aServer(t, { home, url: await aReadyDatabase(), port: 0 })
  const text = 'kind: job\nname: big\nnodes: 2\nresources: { accelerators: H200:8 }\nrun: train\n'
  const { id } = (await ask(server, 'POST /v1/workloads', { text })).json.workloads[0]
  const ended = (await ask(server, `GET /v1/workloads/${id}/wait?timeoutSeconds=20`)).json
  assert.deepEqual([ended.state, ended.exitCode], ['succeeded', 0])
  const [attempt] = (await ask(server, `GET /v1/workloads/${id}`)).json.attemptList
  assert.deepEqual([attempt.site, attempt.pricePerHour.text], ['simulated/cloud', '$80.00'])
})

/** A server whose one site has two accelerators, as far as it is told. */
async function withTwoAccelerators(t: TestContext) {
  const home = aHome(t)
  writeFileSync(
    join(home, 'sites.yaml'),
    `sites:
  - { provider: local, name: here, price: $4/h,
      shape: { cpus: 8, memory: 2GB, accelerators: H100:2, acceleratorMemory: 80GB } }
`,
  )
  return aServer(t, { home, url: await aReadyDatabase(), port: 0 })
}

test('two halves see one accelerator, and who has one whole sees another', async (t) => {
  const server = await withTwoAccelerators(t)
  const documents = ['0.5', '0.5', '1'].map(
    (share, i) => `kind: job
name: j-${i}
resources: { accelerators: H100:${share}, cpus: 0.1, memory: 32MB }
run: echo gpu $CUDA_VISIBLE_DEVICES; exec sleep 60
`,
  )
  await ask(server, 'POST /v1/workloads', { text: documents.join('---\n') })
  const seen: string[] = []
  for (const [i] of documents.entries()) {
    await ask(server, `GET /v1/workloads/j-${i}/wait?for=running&timeoutSeconds=20`)
    for (let tries = 0; tries < 400 && seen.length === i; tries++) {
      const log = (await ask(server, `GET /v1/workloads/j-${i}/logs`)).text
      if (log.includes('gpu ')) seen.push(log.trim())
      else await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
  assert.deepEqual(new Set(seen), new Set(['gpu 0', 'gpu 1']))
  assert.equal(seen[0], seen[1])
  const [half] = (await ask(server, 'GET /v1/workloads/j-0')).json.attemptList
  assert.equal(half.pricePerHour.text, '$1.00')
  for (const [i] of documents.entries()) await ask(server, `POST /v1/workloads/j-${i}/stop`)
  for (const [i] of documents.entries()) await ask(server, `GET /v1/workloads/j-${i}/wait?timeoutSeconds=20`)
})

test('tasks of an array with half an accelerator each see one, two of them the same', async (t) => {
  const server = await withTwoAccelerators(t)
  const text = `kind: array
name: halves
tasks: 24
parallelism: 4
resources: { accelerators: H100:0.5, cpus: 0.1, memory: 32MB }
run: echo task $ISOBAR_TASK_INDEX on gpu $CUDA_VISIBLE_DEVICES; sleep 0.3
`
  await ask(server, 'POST /v1/workloads', { text })
  const ended = (await ask(server, 'GET /v1/workloads/halves/wait?timeoutSeconds=60')).json
  assert.deepEqual([ended.state, ended.exitCode], ['succeeded', 0])
  const logs = await Promise.all(
    [0, 1, 2, 3].map(async (replica) => (await ask(server, `GET /v1/workloads/halves/logs?replica=${replica}`)).text),
  )
  const seen = logs.map((log) => new Set([...log.matchAll(/on gpu (\d)$/gm)].map(([, gpu]) => gpu)))
  assert.deepEqual(seen.flatMap((gpus) => [...gpus]).toSorted(), ['0', '0', '1', '1'], 'each worker sees one')
  assert.equal(logs.join('').match(/^task \d/gm)?.length, 24)
  const { attemptList } = (await ask(server, 'GET /v1/workloads/halves')).json
  assert.deepEqual(
    new Set(attemptList.map((one: { pricePerHour: { text: string } }) => one.pricePerHour.text)),
    new Set(['$1.00']),
  )
})

test('metrics tell what waits and what is held, by kind, state, site and tier', async (t) => {
  const server = await aServer(t, { home: aHome(t), url: await aReadyDatabase(), port: 0 })
  const texts = ['resources: { cpus: 100000 }\nrun: x', 'resources: { cpus: 0.1 }\nrun: sleep 60']
  for (const [i, rest] of texts.entries())
    await ask(server, 'POST /v1/workloads', { text: `kind: job\nname: j-${i}\n${rest}\n` })
  await ask(server, 'GET /v1/workloads/j-1/wait?for=running&timeoutSeconds=20')
  const { text } = await ask(server, 'GET /metrics')
  const value = (line: string) => new RegExp(`^${line.replaceAll(/[{}]/g, String.raw`\$&`)} (.+)$`, 'm').exec(text)?.[1]
  assert.equal(value('isobar_workloads{kind="job",state="queued"}'), '1')
  assert.equal(value('isobar_workloads{kind="job",state="running"}'), '1')
  assert.equal(value('isobar_leases{site="local/here",tier="on-demand",state="held"}'), '1')
  assert.ok(Number(value('isobar_price_dollars_per_hour{site="local/here",tier="on-demand",state="held"}')) > 0)
  assert.equal(value('isobar_site_reachable{site="local/here"}'), '1')
  assert.ok(Number(value('isobar_oldest_queued_seconds')) >= 0)
  assert.ok(Number(value('isobar_placement_checked_total')) > 0)
  assert.equal(value('isobar_placement_violations_total'), '0')
  assert.ok(Number(value('process_resident_memory_bytes')) > 0)
  await ask(server, 'POST /v1/workloads/j-1/stop')
  await ask(server, 'GET /v1/workloads/j-1/wait?timeoutSeconds=20')
})
