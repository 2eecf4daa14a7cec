import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'

import { openGateway } from '#gateway/gateway.ts'
import { readForwarded } from '#model/forwarded.ts'
import type { CredentialedOrder } from '#model/order.ts'
import { asLongAsItTakes, valueOf } from '#providers/conformance-looks.ts'
import { anApi } from '#rigs/api.ts'
import { aSite, type Here } from './here.ts'

type Serving = { run: string; ports: number[]; more?: { forwards?: boolean } }

/** A rank that serves at a site whose services are reached through the API server. */
async function aService(t: TestContext, here: Here, { run, ports, more = { forwards: true } }: Serving) {
  const site = await aSite(t, here, { rights: more, fields: { endpoints: 'forwarded' } })
  const order = await site.launched([run], { ports })
  const { serving } = await site.until(order, 'it serves', ({ serving: is }) => is?.ready === true)
  const dial = (port: number, of: CredentialedOrder = order) =>
    site.provider.abilities.dial?.(site.site, { token: of.token, rank: 0, port }, asLongAsItTakes) ??
    assert.fail('it forwards nothing')
  return { ...site, order, serving, dial }
}

const sayTo = async (stream: Duplex, words: string): Promise<string> => {
  stream.write(words)
  return text(stream)
}

/** Services are reached through the API server and the kubelet, by whoever does not reach their pods. */
export function describeForwarding(here: () => Here): void {
  test('a gateway that reaches no pod has its requests answered by a real one, through the API server', async (t) => {
    const run = 'mkdir www; seq 200000 >www/numbers; exec httpd -f -p 8080 -h www'
    const { provider, serving, site, order, gone } = await aService(t, here(), { run, ports: [8080] })
    const [endpoint = ''] = serving?.endpoints ?? []
    assert.deepEqual(readForwarded(endpoint.replace(/:8080$/, '')), {
      provider: 'kubernetes',
      site,
      token: order.token,
      rank: 0,
    })
    await using api = await anApi({ providers: new Map([['kubernetes', provider]]) })
    // Which replicas are ready the store says, in tests of its own.
    Object.assign(api.house.store.workloads, {
      endpoints: async () => [{ project: 'default', name: 'files', endpoints: [endpoint] }],
    })
    const plane = { server: api.url, token: api.house.keys.token }
    const gateway = await openGateway({ ...plane, host: '127.0.0.1', port: 0, everyMs: 50 })
    t.after(() => gateway.close())
    const expected = `${Array.from({ length: 200_000 }, (_, i) => i + 1).join('\n')}\n`
    for (const _ of [1, 2, 3]) {
      const reply = await fetch(`${gateway.url}/default/files/numbers`)
      assert.deepEqual([reply.status, await reply.text()], [200, expected])
    }
    assert.equal((await fetch(`${gateway.url}/default/files/none`)).status, 404)
    await gone(order)
    assert.equal((await fetch(`${gateway.url}/default/files/numbers`)).status, 503, 'nobody is there any more')
  })

  test('bytes go both ways as they come; a port on which nobody listens, or serves, is told', async (t) => {
    const run = 'exec nc -ll -p 8080 -e cat'
    const { dial, order, gone } = await aService(t, here(), { run, ports: [8080, 8081] })
    const stream = valueOf(await dial(8080))
    for (const word of ['one', 'two']) {
      stream.write(word)
      assert.equal(String((await once(stream, 'data'))[0]), word)
    }
    stream.destroy()
    await assert.rejects(sayTo(valueOf(await dial(8081)), 'anybody?'), /refused/)
    const other = await dial(22)
    assert.deepEqual([other.ok, other.ok || other.fault.detail], [false, 'rank 0 does not serve on port 22'])
    await gone(order)
    const late = await dial(8080)
    assert.deepEqual([late.ok, late.ok || late.fault.kind], [false, 'conflict'])
  })

  test('an account that may not forward is told so', async (t) => {
    const run = 'exec httpd -f -p 8080'
    const { dial, order, gone } = await aService(t, here(), { run, ports: [8080], more: {} })
    const outcome = await dial(8080)
    assert.ok(!outcome.ok)
    assert.deepEqual(outcome.fault.kind, 'denied')
    assert.match(outcome.fault.detail, /pods\/portforward/)
    await gone(order)
  })
}
