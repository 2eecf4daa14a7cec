import assert from 'node:assert/strict'
import { after, before, test, type TestContext } from 'node:test'

import type { CredentialedOrder } from '#model/order.ts'
import { asLongAsItTakes, faultOf, handleOf, valueOf } from '#providers/conformance-looks.ts'
import { mostNodes } from '#providers/kubernetes/groups.ts'
import { labels, objectName, paths } from '#providers/kubernetes/names.ts'
import type { Handle, Provider } from '#providers/provider.ts'
import { addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { openSite } from '#rigs/kubernetes/site.ts'

// Gangs on more nodes than the pods of one Job name.

const count = mostNodes + 6
let plane: ControlPlane

before(async () => {
  plane = await startControlPlane(console.error, { crowded: true })
  // More than are chosen.
  await addNodes(
    plane,
    Array.from({ length: count + 10 }, (_, at) => ({ name: `n${at}` })),
  )
})
after(() => plane.stop())

async function aSite(t: TestContext) {
  const site = await openSite(plane)
  t.after(site.close)
  const order = site.order({ ranks: count })
  const ranks = order.ranks.map((rank) => ({ ...rank, node: `n${rank.rank}` }))
  return { ...site, asked: { ...order, ranks } satisfies CredentialedOrder }
}

const retired = (provider: Provider, handle: Handle): Promise<void> =>
  plane.waitFor('its end', async () =>
    assert.equal(valueOf(await provider.retire(handle, 1000, asLongAsItTakes)), 'gone'),
  )

type Listed = { items: { metadata: { labels: Record<string, string> }; spec: { nodeName: string } }[] }

test('a gang on many nodes is several Jobs: each rank runs on a node of its own among those of its Job, and tells its exit', async (t) => {
  const { provider, namespace, asked, script } = await aSite(t)
  const last = count - 1
  script(
    asked,
    asked.ranks.map(({ rank }) => ({ until: rank === last ? 7 : 'told' })),
  )
  const handle = valueOf(await provider.launch(asked, t.signal))
  await plane.waitFor('all to run but the last, which has ended', async () => {
    const seen = valueOf(await provider.get(handle, t.signal))
    assert.deepEqual(
      seen?.ranks.map(({ state, exitCode }) => `${state} ${exitCode}`),
      asked.ranks.map(({ rank }) => (rank === last ? 'exited 7' : 'running null')),
    )
  })
  const { items } = (await plane.ask('GET', paths.pods(namespace))) as Listed
  const nodes = items.map(({ metadata, spec }) => {
    const isFirst = metadata.labels[labels.first] === '0'
    const at = Number(spec.nodeName.slice(1))
    assert.equal(isFirst, at < mostNodes, `a pod of Job ${metadata.labels[labels.first]} is on ${spec.nodeName}`)
    return at
  })
  assert.deepEqual(
    nodes.sort((a, b) => a - b),
    Array.from({ length: count }, (_, at) => at),
  )
  await retired(provider, handle)
  for (const kind of [paths.jobs, paths.pods, paths.secrets, paths.services])
    assert.deepEqual(((await plane.ask('GET', kind(namespace))) as Listed).items, [])
})

test('what another version of Isobar began as one Job is not begun as several', async (t) => {
  const { provider, namespace, asked } = await aSite(t)
  valueOf(
    await provider.launch(
      { ...asked, ranks: asked.ranks.slice(0, 3), programs: asked.programs?.slice(0, 3) },
      t.signal,
    ),
  )
  const { fault } = faultOf(await provider.launch(asked, t.signal))
  assert.deepEqual([fault.kind, fault.retry], ['conflict', 'elsewhere'])
  assert.match(fault.detail, new RegExp(`another version of Isobar began it.*${objectName(asked.token)}.*${mostNodes}`))
  const { items } = (await plane.ask('GET', paths.jobs(namespace))) as Listed
  assert.equal(items.length, 1)
  await retired(provider, handleOf(asked))
})
