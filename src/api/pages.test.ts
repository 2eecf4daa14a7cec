import assert from 'node:assert/strict'
import { test } from 'node:test'

import { anApi, jobText, type TestApi } from '#rigs/api.ts'

const names = ['delta', 'alpha', 'echo', 'bravo', 'charlie', 'alpha']

async function filled(): Promise<TestApi> {
  const api = await anApi()
  for (const [i, name] of names.entries())
    await api.call('POST /v1/workloads', { text: jobText(name, `priority: ${i % 3}\n`) })
  return api
}

const page = (api: TestApi, query: Record<string, string>) =>
  api.call(`GET /v1/workloads?${new URLSearchParams({ pageSize: '2', ...query })}`)

test('pages come in the order that is asked for, and their tokens lead on in it', async () => {
  await using api = await filled()
  const told: [orderBy: string, names: string][] = [
    ['', 'alpha charlie bravo echo alpha delta'],
    ['createdAt desc', 'alpha charlie bravo echo alpha delta'],
    ['createdAt', 'delta alpha echo bravo charlie alpha'],
    ['name', 'alpha alpha bravo charlie delta echo'],
    [' name  desc ', 'echo delta charlie bravo alpha alpha'],
    ['priority desc', 'alpha echo charlie alpha bravo delta'],
    ['priority desc,createdAt', 'echo alpha alpha charlie delta bravo'],
    ['project, priority , name desc', 'delta bravo charlie alpha echo alpha'],
  ]
  for (const [orderBy, expected] of told) {
    const seen: string[] = []
    let pageToken: string | null = ''
    while (pageToken !== null) {
      const { json } = await page(api, { orderBy, ...(pageToken && { pageToken }) })
      seen.push(...json.items.map(({ name }: { name: string }) => name))
      pageToken = json.nextPageToken
    }
    assert.equal(seen.join(' '), expected, orderBy)
  }
})

test('an order that is none, and the token of a list in another order, are refused with what is right', async () => {
  await using api = await filled()
  for (const orderBy of [
    'state',
    'name asc',
    'name DESC',
    'name,',
    ',',
    'name,name desc',
    'name;drop',
    'spec',
    '__proto__',
  ]) {
    const { status, json } = await page(api, { orderBy })
    assert.equal(status, 400, orderBy)
    assert.match(json.detail, /createdAt, name, priority, project/)
    assert.deepEqual(json.next, ["isobar ps --order-by 'priority desc, createdAt'"])
  }
  const pageToken = (await page(api, { orderBy: 'name' })).json.nextPageToken
  assert.equal((await page(api, { orderBy: ' name ', pageToken })).status, 200)
  for (const orderBy of ['', 'name desc', 'name,priority']) {
    const { status, json } = await page(api, { orderBy, pageToken })
    assert.equal(status, 400)
    assert.match(json.detail, /of a list in another order/)
  }
})
