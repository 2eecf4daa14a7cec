import { after } from 'node:test'

import { describeProvider } from '#providers/conformance.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { lacks, openRig } from '#rigs/slurm/conformance.ts'

// The same suite, on a cluster whose nodes share no disk with us.

const cluster = await startCluster({ nodes: 4, apart: true })
after(cluster.stop)

const open = () => openRig(cluster, { conf: cluster.conf, afar: true })
describeProvider('slurm without a shared disk', open, lacks)
