import { after } from 'node:test'

import { describeProvider } from '#providers/conformance.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { lacks, openRig } from '#rigs/slurm/conformance.ts'

const cluster = await startCluster({ nodes: 4 })
after(cluster.stop)

describeProvider('slurm by its commands', () => openRig(cluster, { conf: cluster.conf }), lacks)
describeProvider('slurm over HTTP', () => openRig(cluster, { rest: cluster.rest }), lacks)
