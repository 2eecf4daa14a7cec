import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'

import { asLongAsItTakes, handleOf, valueOf } from '#providers/conformance-looks.ts'
import { clusterBehind, hidden, openConnectProxy } from '#rigs/connect-proxy.ts'
import { aSite, type Here } from './here.ts'

/** A cluster that only a proxy reaches, with real containers. */
export function describeProxied(here: () => Here): void {
  test('through a proxy a rank is run, watched, read and dialled, and so it is again once that was killed and is back', async (t) => {
    const { plane } = here()
    const proxy = await openConnectProxy({ leads: { [hidden]: plane.port }, wants: 'ada:lovelace' })
    t.after(() => proxy.kill())
    const declared = { rights: { forwards: true }, fields: { endpoints: 'forwarded' }, cluster: clusterBehind(proxy) }
    const { provider, ...site } = await aSite(t, here(), declared)
    const { watch, dial } = provider.abilities
    assert.ok(watch && dial)
    const run = 'nc -ll -p 8080 -e cat & while echo tick; do sleep 0.2; done'
    const order = await site.launched([run], { ports: [8080] })
    const marked = async (since: string | null) => valueOf(await watch(site.site, since, asLongAsItTakes))
    const logged = async (): Promise<number> => {
      const look = { rank: 0, from: 0, most: 65_536 }
      const { bytes } = valueOf(await provider.logs(handleOf(order), look, asLongAsItTakes))
      assert.match(Buffer.from(bytes).toString(), /^(tick\n)+$/)
      return bytes.length
    }
    const echoed = async (word: string): Promise<void> => {
      const stream = valueOf(await dial(site.site, { token: order.token, rank: 0, port: 8080 }, asLongAsItTakes))
      stream.write(word)
      assert.equal(String((await once(stream, 'data'))[0]), word)
      stream.destroy()
    }
    await site.until(order, 'it serves', ({ serving }) => serving?.ready === true)
    await echoed('before')
    const read = await logged()
    const waits = watch(site.site, await marked(null), asLongAsItTakes)
    await proxy.kill()
    await waits // it hears that it was cut, or what changed just before
    const away = await provider.logs(handleOf(order), { rank: 0, from: 0, most: 100 }, asLongAsItTakes)
    assert.ok(!away.ok)
    assert.match(
      away.fault.detail,
      /^https:\/\/cluster.test:6443 is not reached: the proxy http:\S+ does not answer: E/,
    )
    const { opened } = proxy.tunnels()
    await proxy.start()
    await echoed('after')
    assert.ok((await logged()) > read)
    let mark = ''
    await plane.waitFor('it is watched again', async () => void (mark = await marked(null)))
    await site.gone(order)
    assert.notEqual(await marked(mark), mark)
    assert.ok(proxy.tunnels().opened > opened)
  })
}
