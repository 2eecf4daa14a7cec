import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'

import type { ControlPlane } from './control-plane.ts'

type Account = { namespace: string; name: string; tokenFile: string }

const flows = '/apis/flowcontrol.apiserver.k8s.io/v1'

/**
 * The API server has no time for an account, and says so (429, `Retry-After`), until a moment after somebody has waited for
 * it. Its share of requests is none, of which one is carried out all the same; so one of its own stays half said.
 */
export async function keepBusy(plane: ControlPlane, account: Account): Promise<void> {
  const { namespace, name } = account
  const metadata = { name: namespace }
  const level = (await plane.ask('POST', `${flows}/prioritylevelconfigurations`, {
    metadata,
    spec: {
      type: 'Limited',
      limited: { nominalConcurrencyShares: 0, borrowingLimitPercent: 0, limitResponse: { type: 'Reject' } },
    },
  })) as { metadata: { uid: string } }
  const all = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }
  const subjects = [{ kind: 'ServiceAccount', serviceAccount: { namespace, name } }]
  await plane.ask('POST', `${flows}/flowschemas`, {
    metadata,
    spec: {
      priorityLevelConfiguration: { name: namespace },
      matchingPrecedence: 50,
      rules: [{ subjects, resourceRules: [all] }],
    },
  })
  await plane.waitFor('its requests are counted there', async () => {
    const answer = await said(asking(plane, account, look).end())
    assert.equal(answer.headers['x-kubernetes-pf-prioritylevel-uid'], level.metadata.uid)
  })
  let half = halfAsking(plane, account)
  await plane.waitFor('there is no time for another', async () => {
    // It came when there was none for it either.
    if (half.isAnswered()) half = halfAsking(plane, account)
    const { statusCode } = await said(asking(plane, account, look).end())
    assert.equal(statusCode, 429)
  })
  void pause(2_000).then(() => half.end())
}

/** A request that is carried out until its body has come, which never does. */
function halfAsking(plane: ControlPlane, account: Account): { isAnswered(): boolean; end(): void } {
  const half = asking(plane, account, { method: 'POST', kind: 'services', headers: { 'content-length': 1000 } })
  let answered = false
  half.on('error', () => undefined)
  half.once('response', (answer) => {
    answer.resume()
    answered = true
  })
  half.write('{')
  return { isAnswered: () => answered, end: () => void half.destroy() }
}

/** What was made for it. */
export async function haveTime(plane: ControlPlane, { namespace }: Pick<Account, 'namespace'>): Promise<void> {
  for (const kind of ['flowschemas', 'prioritylevelconfigurations'])
    await plane.ask('DELETE', `${flows}/${kind}/${namespace}`)
}

const look = { method: 'GET', kind: 'pods' }

type Asking = { method: string; kind: string; headers?: Record<string, number> }

function asking(
  { port }: ControlPlane,
  { namespace, tokenFile }: Account,
  { method, kind, headers = {} }: Asking,
): ClientRequest {
  const authorization = `Bearer ${readFileSync(tokenFile, 'utf8')}`
  const json = { 'content-type': 'application/json', authorization, ...headers }
  const path = `/api/v1/namespaces/${namespace}/${kind}`
  return request({ host: '127.0.0.1', port, path, method, headers: json, rejectUnauthorized: false, agent: false })
}

async function said(asked: ClientRequest) {
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.resume()
  await once(answer, 'close')
  return answer
}
