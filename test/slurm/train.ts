import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { startCluster } from '#rigs/slurm/cluster.ts'
import { trainsAlike } from '#rigs/training.ts'

const local = { provider: 'local', name: 'here' }
const slurm = { provider: 'slurm', name: 'rig', partition: 'main' }
const node = { 'local/here': process.execPath, 'slurm/rig': process.execPath }

const cluster = await startCluster({ nodes: 2, gpus: 0 })
const apart = await startCluster({ nodes: 2, gpus: 0, apart: true })
// At the end of all: what has files in their folders is ended then, houses of tests too, which would leave their PostgreSQL.
after(() => Promise.all([cluster.stop(), apart.stop()]))

test('the example trains in a job of Slurm to the same losses as on this machine', (t) =>
  trainsAlike(t, {
    folder: cluster.folder,
    sites: [local, { ...slurm, directory: join(cluster.folder, 'shared'), conf: cluster.conf }],
    node,
  }))

test('so it does where the nodes share no disk with us: workdir, order, logs and ends go through the API', async (t) => {
  const folder = join(apart.folder, 'homes/train')
  mkdirSync(folder)
  // Its nodes have a /tmp of their own, where our Node may be.
  const seen = join(apart.folder, 'shared/node')
  copyFileSync(process.execPath, seen)
  const sites = [local, { ...slurm, conf: apart.conf }]
  await trainsAlike(t, { folder, sites, node: { ...node, 'slurm/rig': seen } })
})
