import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as immediate } from 'node:timers/promises'

import type { RankSighting, Sighting } from '#providers/provider.ts'
import type { Asking, Client } from './client.ts'
import { groupName, tokenOf } from './names.ts'
import { causeOfRefusal, createRefusals } from './turned-away.ts'

const rank = (fields: Partial<RankSighting> = {}): RankSighting => ({
  rank: 0,
  state: 'expected',
  exitCode: null,
  startedAt: null,
  endedAt: null,
  ...fields,
})
const gang = (token: string, ...ranks: RankSighting[]): Sighting => ({ token, workload: 'w', attempt: 1, ranks })
const quota = 'Error creating: pods "isobar-l-1-0-" is forbidden: exceeded quota: gpus, requested: nvidia.com/gpu=8'

/** An API server that tells this of a Job, or refuses to. */
function told(name: string, message: string | null) {
  const asked: string[] = []
  const items = message === null ? null : [{ involvedObject: { name }, message }]
  const ask = async ({ path }: { path: string }) => {
    asked.push(path)
    return message === null ? { ok: false, fault: {}, refusal: null } : { ok: true, body: { items } }
  }
  return { asked, here: { client: { ask } as unknown as Client, namespace: 'team' } } // all that it asks of one
}

const { signal } = new AbortController()
const causesOf = (seen: Sighting[]) => seen.map(({ ranks }) => ranks.map(({ cause }) => cause?.kind ?? null))

test('a rank of which no pod was made tells what the events of its Job say', async () => {
  const { here, asked } = told('isobar-l-1-g1', quota)
  const seen = await createRefusals(here)([gang('l-1', rank(), rank({ node: 'n1' })), gang('l-2', rank())], signal)
  assert.deepEqual(causesOf(seen), [['quota', null], [null]])
  assert.equal(seen[0]?.ranks[0]?.cause?.detail, 'exceeded quota: gpus, requested: nvidia.com/gpu=8')
  assert.match(
    asked[0] ?? '',
    /namespaces\/team\/events\?fieldSelector=involvedObject\.kind%3DJob%2Creason%3DFailedCreate&/,
  )
})

test('events are asked only where a rank has neither a pod nor a reason', async () => {
  const { here, asked } = told('isobar-l-1', quota)
  const queued = { kind: 'queued', detail: '' } as const
  await createRefusals(here)(
    [gang('l-1', rank({ state: 'running' }), rank({ node: 'n' }), rank({ cause: queued }))],
    signal,
  )
  assert.deepEqual(asked, [])
})

test('events are not asked for again at once: what was told holds for a while', async () => {
  const { here, asked } = told('isobar-l-1', quota)
  const slow = async (asking: Asking) => {
    const began = performance.now()
    while (performance.now() < began + 20) await immediate()
    return here.client.ask(asking)
  }
  const refusals = createRefusals({ ...here, client: { ...here.client, ask: slow } })
  for (let look = 0; look < 3; look++)
    assert.deepEqual(causesOf(await refusals([gang('l-1', rank())], signal)), [['quota']])
  assert.equal(asked.length, 1)
})

test('who may not read events is told what there is without them', async () => {
  const { here } = told('isobar-l-1', null)
  assert.deepEqual(causesOf(await createRefusals(here)([gang('l-1', rank())], signal)), [[null]])
})

test('a policy is told in its own words', () => {
  const policy = 'Error creating: admission webhook "policy.example" denied the request: no latest tag'
  const { kind, detail } = causeOfRefusal(policy)
  assert.deepEqual(
    [kind, detail],
    ['turned-away', 'admission webhook "policy.example" denied the request: no latest tag'],
  )
})

test('the token of a gang is known by the names of its Jobs', () => {
  for (const group of [0, 1, 12]) assert.equal(tokenOf(groupName('l-1g2', group)), 'l-1g2')
  assert.equal(tokenOf('nightly'), null)
})
