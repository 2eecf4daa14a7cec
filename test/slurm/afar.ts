import { after } from 'node:test'

import { describeProvider } from '#providers/conformance.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { lacks, openRig } from '#rigs/slurm/conformance.ts'

// A cluster whose nodes share no disk with us: the same suite, and what is particular there.

const cluster = await startCluster({ nodes: 4, apart: true })
after(cluster.stop)

describeProvider(
  'slurm without a shared disk, by its commands',
  () => openRig(cluster, { conf: cluster.conf, afar: true }),
  lacks,
)
