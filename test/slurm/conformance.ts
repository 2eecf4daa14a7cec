import { after, before, describe } from 'node:test'

import { describeProvider } from '#providers/conformance.ts'
import { type Cluster, startCluster } from '#rigs/slurm/cluster.ts'
import { lacks, openRig } from '#rigs/slurm/conformance.ts'
import type { Way } from '#rigs/slurm/site.ts'

const ways: [string, (cluster: Cluster) => Way][] = [
  ['by its commands', ({ conf }) => ({ conf })],
  ['over HTTP', ({ rest }) => ({ rest })],
]

// Side by side, each with a cluster of its own: most of the time each waits for Slurm.
describe('slurm', { concurrency: true }, () => {
  for (const [name, way] of ways)
    describe(name, { concurrency: 1 }, () => {
      let cluster: Cluster
      before(async () => void (cluster = await startCluster({ nodes: 4 })))
      after(() => cluster.stop())
      describeProvider(`slurm ${name}`, () => openRig(cluster, way(cluster)), lacks)
    })
})
