import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createClock } from '#kit/clock.ts'
import { anApi, jobText } from '#rigs/api.ts'

/** The API at a time that goes on as it is told, and a job that must end in a minute. */
async function lateApi() {
  const clock = createClock()
  let ahead = 0
  const api = await anApi({ clock: { ...clock, now: () => clock.now() + ahead } })
  const deadline = new Date(clock.now() + 60_000).toISOString()
  const text = `${jobText('first')}---\n${jobText('late', `deadline: ${deadline}\n`)}`
  return { api, body: { text, filename: 'late.yaml' }, pass: (minutes: number) => void (ahead += minutes * 60_000) }
}

for (const path of ['validate', 'plans', 'workloads', 'workloads?dryRun=all'])
  test(`a deadline that is past is refused with its place, the cause and the fix: ${path}`, async () => {
    const { api, body, pass } = await lateApi()
    await using _ = api
    assert.ok((await api.call(`POST /v1/${path}`, body)).status < 300)
    pass(2)
    const { status, json } = await api.call(`POST /v1/${path}`, body)
    assert.deepEqual([status, json.code, json.problems?.length], [422, 'invalid-spec', 1])
    const [problem] = json.problems
    assert.deepEqual([problem.path, problem.line, problem.column], ['deadline', 8, 11])
    assert.match(problem.message, /^20\S+Z is past: it is 20\S+Z now, so it could only fail$/)
    assert.equal(problem.fix, 'write a later one, or remove the field')
    assert.deepEqual(json.next, ['isobar validate late.yaml'])
  })

test('what was taken before its deadline is answered for as before when it is submitted again by its key', async () => {
  const { api, body, pass } = await lateApi()
  await using _ = api
  const { store } = api.house
  const keep = store.idempotency.save
  const ids = async (key: string) =>
    (await api.call('POST /v1/workloads', body, { 'idempotency-key': key })).json.workloads?.map(
      ({ id }: { id: string }) => id,
    )
  const answered = await ids('answered')
  store.idempotency.save = () => Promise.reject(new Error('the process died here'))
  await ids('cut-off')
  store.idempotency.save = keep
  pass(2)
  assert.deepEqual(await ids('answered'), answered)
  assert.equal((await ids('cut-off'))?.length, 2)
  assert.equal((await api.call('POST /v1/workloads', body, { 'idempotency-key': 'new' })).status, 422)
})

test('a plan of what can only fail by now is not applied, and one that was applied still answers', async () => {
  const { api, body, pass } = await lateApi()
  await using _ = api
  const [left, applied] = [await api.call('POST /v1/plans', body), await api.call('POST /v1/plans', body)]
  const first = await api.call(`POST /v1/plans/${applied.json.id}/apply`)
  assert.equal(first.status, 201)
  pass(2)
  const { status, json } = await api.call(`POST /v1/plans/${left.json.id}/apply`)
  assert.deepEqual([status, json.code], [409, 'plan-changed'])
  assert.match(json.difference.join('\n'), /^late: its deadline of 20\S+Z is past\.$/)
  assert.deepEqual(json.next, ['isobar plan <file> (with a later deadline in it)'])
  assert.deepEqual((await api.call(`POST /v1/plans/${applied.json.id}/apply`)).json, first.json)
})
