import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Answer, Asking, Client } from './client.ts'
import { refusalOf } from './faults.ts'
import { createClient } from './client.ts'
import { kueuePath, speaksKueue } from './kueue-version.ts'

const refused = (text: string): Answer => {
  const refusal = refusalOf(404, text)
  return { ok: false, fault: refusal.fault, refusal }
}
const absent = JSON.stringify({ kind: 'Status', reason: 'NotFound', message: 'localqueues "team" not found' })

/** A server that serves such versions of Kueue's API, of which a queue is not there; `asked` is what it was asked for. */
function aServer(served: string[]) {
  const asked: string[] = []
  const client: Client = {
    ...createClient(() => Promise.reject(new Error('nothing is dialled here'))),
    ask({ path }: Asking) {
      asked.push(path)
      const [, version] = /^\/apis\/kueue\.x-k8s\.io\/([^/]+)\//.exec(path) ?? []
      if (version === undefined && served.length > 0)
        return Promise.resolve({ ok: true, body: { versions: served.map((one) => ({ version: one })) } })
      return Promise.resolve(refused(served.includes(version ?? '') ? absent : '404 page not found'))
    },
  }
  return { client: speaksKueue(client), asked, served }
}

const path = `${kueuePath('team')}/localqueues/all`
const { signal } = new AbortController()
const at = (version: string) => `/apis/kueue.x-k8s.io/${version}/namespaces/team/localqueues/all`

test('Kueue is asked for in the newest version that its server has, which is found once', async () => {
  const { client, asked } = aServer(['v1alpha1', 'v1beta1'])
  const answer = await client.ask({ path, signal })
  assert.equal(!answer.ok && answer.refusal?.reason, 'NotFound')
  await client.ask({ path, signal })
  assert.deepEqual(asked, [at('v1beta2'), '/apis/kueue.x-k8s.io', at('v1beta1'), at('v1beta1')])
})

test('who asks at the same time is answered in that version as well', async () => {
  const { client } = aServer(['v1beta1'])
  const answers = await Promise.all([client.ask({ path, signal }), client.ask({ path, signal })])
  assert.deepEqual(
    answers.map((answer) => !answer.ok && answer.refusal?.reason),
    ['NotFound', 'NotFound'],
  )
})

test('a server that was updated is asked again which it has', async () => {
  const { client, asked, served } = aServer(['v1beta1'])
  await client.ask({ path, signal })
  served.splice(0, 1, 'v1beta2')
  await client.ask({ path, signal })
  assert.equal(asked.at(-1), at('v1beta2'))
})

test('where there is no Kueue, the answer says so, and what is not Kueue is asked as it is', async () => {
  const { client, asked } = aServer([])
  const answer = await client.ask({ path, signal })
  assert.equal(!answer.ok && answer.refusal?.message, '404 page not found')
  await client.ask({ path: '/api/v1/pods', signal })
  assert.deepEqual(asked, [at('v1beta2'), '/apis/kueue.x-k8s.io', '/api/v1/pods'])
})
