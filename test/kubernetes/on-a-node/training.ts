import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'

import { addAccount, addNamespace } from '#rigs/kubernetes/cluster.ts'
import { images } from '#rigs/kubernetes/images.ts'
import { trainsAlike } from '#rigs/training.ts'
import type { Here } from './here.ts'

export function describeTraining(here: () => Here): void {
  test('the example trains in real containers to the same losses as on this machine, which are known when its pods have gone', async (t) => {
    const { plane, node } = here()
    await addNamespace(plane, 'training')
    const token = await addAccount(plane, { name: 'isobar', namespace: 'training' })
    const kubeconfig = plane.kubeconfigFor('training', { token })
    await trainsAlike(t, {
      folder: plane.folder,
      sites: [
        { provider: 'local', name: 'here' },
        { provider: 'kubernetes', name: 'rig', kubeconfig, namespace: 'training', image: images.node },
      ],
      node: { 'local/here': process.execPath, 'kubernetes/rig': 'node' },
      gone: {
        'kubernetes/rig': () =>
          plane.waitFor('its pods have gone', async () => {
            const { items } = (await plane.ask('GET', '/api/v1/namespaces/training/pods')) as { items: unknown[] }
            assert.deepEqual(items, [])
          }),
      },
      // Where pods reach it: they fetch the folder with the program.
      env: {
        ISOBAR_LISTEN: `${node.address}:0`,
        ISOBAR_ALLOW_REMOTE: 'true',
        ISOBAR_TOKEN: randomBytes(32).toString('hex'),
      },
    })
  })
}
