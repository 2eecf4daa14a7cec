import assert from 'node:assert/strict'
import { test } from 'node:test'

import { anApi, jobText } from '#rigs/api.ts'

test('a query parameter that a route does not know is refused, with the one that was meant or those that there are', async () => {
  await using api = await anApi()
  const refused = async (request: `${string} /${string}`, body?: object) => {
    const { status, json } = await api.call(request, body)
    assert.deepEqual([status, json.code], [400, 'usage'], request)
    return json
  }
  const misspelt = await refused('GET /v1/workloads?projct=x')
  assert.match(misspelt.detail, /^GET \/v1\/workloads has no query parameter "projct"\. .* Did you mean project\?$/)
  assert.deepEqual(misspelt.next, ["isobar api 'v1/workloads?project=…'"])
  const foreign = await refused('GET /v1/workloads?state=all&filter=state=running')
  assert.match(foreign.detail, /"filter"\. It takes kind, label, name, orderBy, pageSize, pageToken, project, state\.$/)
  assert.deepEqual(foreign.next, ['isobar api openapi.json'])
  assert.match((await refused('GET /v1/server?x')).detail, /It takes none\.$/)
  const long = await refused(`GET /v1/workloads?${'x'.repeat(5000)}=1`)
  assert.ok(long.detail.length < 300)

  await refused('POST /v1/workloads?project=x', { text: jobText() })
  await refused('POST /v1/workloads?dryRun=all&project=x', { text: jobText() })
  assert.deepEqual((await api.call('GET /v1/workloads?state=all')).json.items, [])
})

test('every route of people refuses what it does not know, and the others take what comes', async () => {
  await using api = await anApi()
  const { paths } = (await api.call('GET /openapi.json')).json
  for (const [path, methods] of Object.entries<object>(paths))
    for (const method of Object.keys(methods)) {
      const { text } = await api.call(`${method.toUpperCase()} ${path as `/${string}`}?unheard-of=1`)
      assert.equal(text.includes('no query parameter'), path.startsWith('/v1/'), `${method} ${path}`)
    }
  for (const path of ['/docs', '/openapi.json', '/healthz'])
    assert.equal((await api.call(`GET ${path as `/${string}`}?unheard-of=1`)).status, 200)
})
