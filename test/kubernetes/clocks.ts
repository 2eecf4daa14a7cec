import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { WorkloadDetail } from '#api/views.ts'
import { aMinuteOff, setOff } from '#rigs/clock.ts'
import { addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { aHouse, until } from '#rigs/kubernetes/house.ts'
import { openSite } from '#rigs/kubernetes/site.ts'
import { evict } from '#rigs/kubernetes/troubles.ts'

// Our clock is a minute off from those of the API server, its controllers and its nodes.

let plane: ControlPlane

before(async () => {
  plane = await startControlPlane(console.error)
  await addNodes(
    plane,
    [0, 1].map((at) => ({ name: `n${at}` })),
  )
})
after(() => plane.stop())

const gang = 'kind: job\nname: gang\nnodes: 2\nresources: { cpus: 1, memory: 1GB }\nrun: train\n'

for (const [off, milliseconds] of aMinuteOff)
  test(`${off}: a gang that is evicted once has two attempts, ends with its code, and its times and its bill lie within its order and now`, async (t) => {
    setOff(t, milliseconds)
    const began = Date.now()
    const house = await aHouse(t, plane)
    const looked = await house.submit(gang)
    const look = async () => WorkloadDetail.parse(await looked())
    await until('it runs', async () => (await look()).state === 'running')
    const [first = assert.fail('it has one')] = (await look()).attemptList
    await evict(plane, { namespace: house.namespace, token: first.lease?.id ?? '' })
    await until('it runs anew', async () => {
      const { state, attempts } = await look()
      return state === 'running' && attempts === 2
    })
    await until('only the new one is there', async () => (await house.pods()).length === 2)
    await house.end('0,7')
    await until('it has failed', async () => (await look()).state === 'failed')
    await until('nothing is left', async () => (await house.left()).length === 0)
    await until('it is billed to its end', async () =>
      (await look()).attemptList.every(({ lease }) => lease?.state === 'gone'),
    )
    const { exitCode, attempts, attemptList } = await look()
    assert.deepEqual([exitCode, attempts, attemptList[0]?.state], [7, 2, 'failed'])
    assert.match(attemptList[1]?.state ?? '', /^(lost|stopped)$/) // who hears in time that it has to leave is stopped
    for (const { createdAt, startedAt, endedAt, spent, pricePerHour } of attemptList) {
      const times = [began, ...[createdAt, startedAt, endedAt].map((at) => Date.parse(at ?? '')), Date.now()]
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      )
      const most = (Number(pricePerHour.micros) * (Date.now() - Date.parse(createdAt))) / 3_600_000
      assert.ok(Number(spent.micros) > 0 && Number(spent.micros) <= most, `${spent.text}, and not ${most} at most`)
    }
  })

test('a token that holds for the cluster is used, whatever our clock says of it', async (t) => {
  for (const [, milliseconds] of aMinuteOff) {
    const rig = await openSite(plane)
    t.after(rig.close)
    await rig.token(30)
    setOff(t, milliseconds)
    const seen = await rig.provider.list(rig.site, AbortSignal.timeout(10_000))
    assert.deepEqual(seen, { ok: true, value: [] })
    t.mock.restoreAll()
  }
})
