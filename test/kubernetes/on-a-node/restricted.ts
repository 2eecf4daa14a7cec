import assert from 'node:assert/strict'
import { test } from 'node:test'

import { sayCause } from '#model/cause.ts'
import { aSite, type Here } from './here.ts'

/** Programs that are not root, where a cluster takes no others. */
export function describeRestricted(here: () => Here): void {
  test('in a namespace of the standard restricted a rank runs as the user that its site names, and who names none is told to', async (t) => {
    const restricted = { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } }
    const withUser = { fields: { runAsUser: 1234, checkpoints: undefined } }
    const [none, named] = [await aSite(t, here()), await aSite(t, here(), withUser)]
    for (const { namespace } of [none, named])
      await here().plane.ask('PATCH', `/api/v1/namespaces/${namespace}`, restricted)
    const refused = await none.launched(['true'])
    const waits = await none.until(refused, 'its cause is known', ({ cause }) => cause !== undefined)
    assert.match(
      waits.cause ? sayCause(waits.cause) : '',
      /violates PodSecurity.*; name the user that its programs run as: runAsUser of the site$/s,
    )
    await none.gone(refused)
    const order = await named.launched(['touch here /dev/shm/x && [ "$(id -u):$(id -g)" = 1234:1234 ] && exit 7'])
    const rank = await named.until(order, 'it is over', ({ state }) => state === 'exited' || state === 'lost')
    assert.deepEqual([rank.state, rank.exitCode], ['exited', 7])
    await named.gone(order)
  })
}
