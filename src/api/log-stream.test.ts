import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import * as fc from 'fast-check'

import { createLogWriter, readLog } from '#kit/bounded-log.ts'
import { fail, succeed } from '#model/fault.ts'
import type { Lease } from '#model/lease.ts'
import { createLogArchive } from '#providers/blobs/archive.ts'
import { createDirectoryBlobs } from '#providers/blobs/directory.ts'
import type { Provider } from '#providers/provider.ts'
import { collectLogs } from '#reconcilers/collect-logs.ts'
import { anApi } from '#rigs/api.ts'
import { aPlacing, held, reached, submitted } from '#rigs/story.ts'
import { aJob, aNow, aSite } from '#test/builders.ts'
import type { ApiHouse } from './house.ts'
import { merged, prefixed, rankLog, recorded, type LogPart } from './log-stream.ts'
import type { ShownAttempt } from './show-attempt.ts'

/** A rank that writes into a real bounded log, is collected into a real archive, and whose machine goes away at the end. */
function aRank(folder: string) {
  const path = join(folder, 'output')
  const log = createLogWriter(path, 120)
  const archive = createLogArchive(createDirectoryBlobs(join(folder, 'blobs')))
  const lease = { id: 'l-1', provider: 'local', site: 'here', state: 'held' } as Lease // what is read of it here
  const attempt = { id: 'a-1', workload: 'w-1', number: 1, replica: 0, lease } as ShownAttempt
  let whole = ''
  let answers = Number.POSITIVE_INFINITY
  let exited = false
  let gone = false
  const provider: Pick<Provider, 'logs'> = {
    async logs(_handle, part) {
      if ((answers -= 1) < 0) return fail('unreachable', 'later', 'it does not answer')
      if (gone) return succeed({ from: part.from, bytes: new Uint8Array(), end: true })
      const chunk = await readLog(path, { from: part.from, most: Math.min(part.most, 17) })
      return succeed({ ...chunk, end: exited && chunk.from + chunk.bytes.length === whole.length })
    },
  }
  const house = {
    archive,
    providers: new Map([['local', provider]]),
    clock: { sleep: () => new Promise((resolve) => setImmediate(resolve)) },
    store: { workloads: { attempts: async () => [attempt], get: async () => ({ state: 'failed', endedAt: 1 }) } },
  } as unknown as ApiHouse // nothing else of it is asked
  return {
    house,
    whole: () => whole,
    write(lines: number) {
      const text = Array.from({ length: lines }, (_, i) => `line ${whole.length + i}\n`).join('')
      whole += text
      log.write(Buffer.from(text))
    },
    async collect(most: number) {
      const where = { handle: { site: 'here', token: 'l-1' }, ranks: [0], lease: 'l-1' }
      const reader = { ...provider, logs: provider.logs } as Provider
      answers = most
      await collectLogs(
        {
          ...where,
          provider: reader,
          archive,
          progress: { finished: new Set(), movedAt: 0, nodesUntil: 0 },
          now: Date.now,
        },
        new AbortController().signal,
      )
      answers = Number.POSITIVE_INFINITY
    },
    async end() {
      exited = true
      await this.collect(Number.POSITIVE_INFINITY)
      gone = true
      lease.state = 'gone'
      log.close()
    },
  }
}

/** Reads on by hand, one part at a time, and checks that each begins where the last one ended but for what it says. */
function aReader({ house, whole }: ReturnType<typeof aRank>) {
  let place = 0
  let stop = new AbortController()
  const open = () =>
    rankLog(house, { workload: 'w-1', replica: 0, attempt: 1, rank: 0, from: place, follow: true }, stop.signal)
  let stream = open()
  let pending: Promise<IteratorResult<LogPart, void>> | undefined
  const take = ({ bytes, next }: LogPart) => {
    const [, dropped = '0', data = ''] = /^(?:\[(\d+) bytes of older output were dropped\]\n)?(.*)$/s.exec(
      Buffer.from(bytes).toString(),
    ) as RegExpExecArray // it fits anything
    assert.equal(place + Number(dropped) + data.length, next)
    assert.equal(data, whole().slice(next - data.length, next))
    place = next
  }
  return {
    place: () => place,
    /** What has come by now, if anything has. */
    async read() {
      pending ??= stream.next()
      const settled = await Promise.race([pending, new Promise<null>((resolve) => setTimeout(resolve, 2, null))])
      if (!settled) return
      pending = undefined
      if (settled.value) take(settled.value)
    },
    /** The connection breaks; what was on its way is not seen. */
    break() {
      stop.abort()
      void stream.return()
      stop = new AbortController()
      pending = undefined
      stream = open()
    },
    async readAll() {
      for (;;) {
        const { value } = await (pending ?? stream.next())
        pending = undefined
        if (!value) return
        take(value)
      }
    },
  }
}

const step = fc.oneof(
  fc.record({ write: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ collect: fc.nat(5) }),
  fc.constant('read' as const),
  fc.constant('break' as const),
)

test('who follows a log over rotation, archive, breaks and the end of its machine sees each byte once, and what is missing is said', () =>
  fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const folder = mkdtempSync(join(tmpdir(), 'isobar-stream-'))
      try {
        const rank = aRank(folder)
        const reader = aReader(rank)
        for (const one of steps) {
          if (one === 'read') await reader.read()
          else if (one === 'break') reader.break()
          else if ('write' in one) rank.write(one.write)
          else await rank.collect(one.collect)
        }
        await rank.end()
        await reader.readAll()
        assert.equal(reader.place(), rank.whole().length)
        const late = aReader(rank)
        await late.readAll()
        assert.equal(late.place(), rank.whole().length)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }),
    { numRuns: 60 },
  ))

async function* writing(...parts: string[]): AsyncGenerator<LogPart, void> {
  for (const part of parts) yield { attempt: 1, next: 0, bytes: Buffer.from(part) }
}

test('ranks side by side do not mix within a line', async () => {
  let text = ''
  for await (const bytes of merged([prefixed(0, writing('a', 'b\nc')), prefixed(1, writing('x\ny', 'z\n'))]))
    text += Buffer.from(bytes).toString()
  assert.deepEqual(text.trimEnd().split('\n').sort(), ['[0] ab', '[0] c', '[1] x', '[1] yz'])
})

async function* inTwoAttempts(...parts: [string, string]): AsyncGenerator<LogPart> {
  for (const [at, part] of parts.entries()) yield { attempt: at + 1, next: 0, bytes: Buffer.from(part) }
}

test('what an attempt wrote last, without an end of line, is no part of the first line of the next', async () => {
  let text = ''
  for await (const bytes of prefixed(0, inTwoAttempts('step 4', 'resumed\n'))) text += Buffer.from(bytes).toString()
  assert.equal(text, '[0] step 4\n[0] resumed\n')
})

async function* endless(bytes: number): AsyncGenerator<Uint8Array, void> {
  for (;;) yield new Uint8Array(bytes)
}

test('a rank that writes without end does not keep the others from a slow reader', async () => {
  const seen: string[] = []
  for await (const bytes of merged([endless(1), prefixed(1, writing('little\n'))])) {
    seen.push(Buffer.from(bytes).toString())
    await new Promise(setImmediate)
    if (seen.length === 5) break
  }
  assert.ok(seen.includes('[1] little\n'), seen.join())
})

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

test('what was read is forgotten, also while another rank is silent', async () => {
  const stop = new AbortController()
  const bell = { wait: () => new Promise((resolve) => stop.signal.addEventListener('abort', resolve)) }
  const workloads = { attempts: async () => [], get: async () => ({ state: 'queued' }) }
  const house = { bell, store: { workloads } } as unknown as ApiHouse // nothing else of it is asked
  const wanted = { workload: 'w-1', replica: 0, attempt: 1, rank: 0, from: 0, follow: true }
  const silent = prefixed(0, rankLog(house, wanted, stop.signal))
  const read: WeakRef<Uint8Array>[] = []
  for await (const bytes of merged([silent, endless(1)])) {
    read.push(new WeakRef(bytes))
    await new Promise(setImmediate) // what a reference points to stays until then
    collectGarbage()
    if (read.length === 5) break
    assert.equal(read.at(-2)?.deref(), undefined)
  }
  stop.abort()
})

test('a log that is still with a site that does not answer is said to be there; what was collected is given', async () => {
  await using api = await anApi()
  const { store, archive } = api.house
  await store.sites.put(aSite().info, aNow)
  await reached(store, { reach: 'unreachable', since: aNow, detail: 'the cable is cut' })
  const [id = ''] = await submitted(store, [aJob({ nodes: 2 })])
  const placed = aPlacing(id, { nodes: 2 })
  await held(store, [placed])
  const away = await api.call(`GET /v1/workloads/${id}/logs`)
  assert.equal(away.status, 503)
  assert.match(away.json.detail, /local\/west does not answer, and what attempt 1 wrote is there/)
  await archive.add(placed.leaseId, 0, { from: 0, bytes: Buffer.from('one\n') })
  await archive.add(placed.leaseId, 0, { from: 9, bytes: Buffer.from('two\n') })
  await archive.add(placed.leaseId, 1, { from: 0, bytes: Buffer.from('uno\ndue') })
  const log = async (query: string) => (await api.fetch(`/v1/workloads/${id}/logs?${query}`)).text()
  assert.equal(await log(''), 'one\n[5 bytes of older output were dropped]\ntwo\n')
  assert.equal(await log('from=2'), 'e\n[5 bytes of older output were dropped]\ntwo\n')
  const all = await log('rank=all&from=1.9,1.4')
  assert.deepEqual(all.trimEnd().split('\n').sort(), ['[0] two', '[1] due'])
  const records = (await log('records=true&from=1.9'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(records, [
    { rank: 0, attempt: 1, next: 9, bytes: '' },
    { rank: 0, attempt: 1, next: 13, bytes: Buffer.from('two\n').toString('base64') },
  ])
  for (const query of ['from=1.9,1.4', 'from=x', 'from=-1', 'records=maybe'])
    assert.equal((await api.call(`GET /v1/workloads/${id}/logs?${query}`)).status, 400, query)
})

test('who follows a log that says nothing hears that somebody is still there, and where it stands', async () => {
  const goOn = Promise.withResolvers<void>()
  async function* quiet(): AsyncGenerator<LogPart, void> {
    yield { attempt: 1, next: 4, bytes: Buffer.from('one\n') }
    await goOn.promise
    yield { attempt: 1, next: 8, bytes: Buffer.from('two\n') }
  }
  const said: string[] = []
  for await (const line of recorded(3, quiet(), 5)) {
    said.push(Buffer.from(line).toString())
    if (said.length === 3) goOn.resolve()
  }
  assert.deepEqual(
    said.filter((line, at) => line !== said[at - 1]),
    [record(4, 'one\n'), record(4, ''), record(8, 'two\n')],
  )
})

const record = (next: number, text: string): string =>
  `{"rank":3,"attempt":1,"next":${next},"bytes":"${Buffer.from(text).toString('base64')}"}\n`
