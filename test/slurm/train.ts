import { join } from 'node:path'
import { after, test } from 'node:test'

import { startCluster } from '#rigs/slurm/cluster.ts'
import { trainsAlike } from '#rigs/training.ts'

const cluster = await startCluster({ nodes: 2, gpus: 0 })
after(cluster.stop)

test('the example trains in a job of Slurm to the same losses as on this machine', (t) =>
  trainsAlike(t, {
    folder: cluster.folder,
    sites: [
      { provider: 'local', name: 'here' },
      {
        provider: 'slurm',
        name: 'rig',
        partition: 'main',
        directory: join(cluster.folder, 'shared'),
        conf: cluster.conf,
      },
    ],
    node: { 'local/here': process.execPath, 'slurm/rig': process.execPath },
  }))
