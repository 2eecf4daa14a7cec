import assert from 'node:assert/strict'
import { test } from 'node:test'

import { anApi, jobText, type TestApi } from '#rigs/api.ts'

type Frame = { id: string; data: { message: string } }

/** Events of a stream as they come. */
async function* frames(api: TestApi, path: string, headers: Record<string, string> = {}): AsyncGenerator<Frame> {
  const stop = new AbortController()
  try {
    const response = await api.fetch(path, {
      headers: { accept: 'text/event-stream', ...headers },
      signal: stop.signal,
    })
    assert.equal(response.status, 200)
    let text = ''
    for await (const bytes of response.body ?? []) {
      text += Buffer.from(bytes).toString()
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const id = /^id: (.+)$/m.exec(block)?.[1]
        if (id) yield { id, data: JSON.parse(/^data: (.+)$/m.exec(block)?.[1] ?? '{}') }
      }
    }
  } finally {
    stop.abort()
  }
}

const submit = (api: TestApi, name: string) => api.call('POST /v1/workloads', { text: jobText(name) })

async function take(stream: AsyncGenerator<Frame>, count: number): Promise<Frame[]> {
  const taken: Frame[] = []
  while (taken.length < count) {
    const next = await stream.next()
    if (next.done) break
    taken.push(next.value)
  }
  return taken
}

const told = (all: Frame[]): string[] => all.map(({ data }) => data.message.split(' ')[0] ?? '')

test('a stream tells what happens as it happens, and resumes after the last event seen', async () => {
  await using api = await anApi()
  await submit(api, 'a')
  const stream = frames(api, '/v1/events')
  const [first] = await take(stream, 1)
  await submit(api, 'b')
  const [second] = await take(stream, 1)
  await stream.return(undefined)
  assert.deepEqual(told([first, second] as Frame[]), ['a', 'b'])
  await submit(api, 'c')
  await submit(api, 'd')
  const byHeader = frames(api, '/v1/events', { 'last-event-id': second?.id ?? '' })
  assert.deepEqual(told(await take(byHeader, 2)), ['c', 'd'])
  await byHeader.return(undefined)
  const byQuery = frames(api, `/v1/events?after=${first?.id}`)
  assert.deepEqual(told(await take(byQuery, 3)), ['b', 'c', 'd'])
  await byQuery.return(undefined)
})

test('a stream from the beginning gives every event once and in order, whatever its page size', async () => {
  await using api = await anApi()
  const names = Array.from({ length: 12 }, (_, i) => `job-${i}`)
  for (const name of names) await submit(api, name)
  const stream = frames(api, '/v1/events?after=0&pageSize=5')
  assert.deepEqual(told(await take(stream, 12)), names)
  await stream.return(undefined)
  let after = '0'
  const paged: string[] = []
  for (;;) {
    const page = await api.call(`GET /v1/events?after=${after}&pageSize=5`)
    if (page.json.items.length === 0) break
    paged.push(...page.json.items.map(({ message }: { message: string }) => message.split(' ')[0]))
    after = page.json.next
  }
  assert.deepEqual(paged, names)
})

test('a stream ends when the server closes', async () => {
  const api = await anApi()
  await submit(api, 'a')
  const stream = frames(api, '/v1/events')
  await take(stream, 1)
  const rest = take(stream, 1).catch(() => []) // cut off or ended: nothing more comes
  await api[Symbol.asyncDispose]()
  assert.deepEqual(await rest, [])
})
