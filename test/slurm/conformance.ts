import { renameSync } from 'node:fs'
import { after } from 'node:test'

import { describeProvider, type Lacks, type Rig } from '#providers/conformance.ts'
import { scriptOf } from '#rigs/program-script.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { openSite, type Way } from '#rigs/slurm/site.ts'

const cluster = await startCluster({ nodes: 4 })
after(cluster.stop)

async function openRig(way: Way): Promise<Rig> {
  const { provider, name, order, script, open, close, folder } = await openSite(cluster, way)
  return {
    provider,
    site: name,
    order,
    script: (asked, programs) => script(asked, (rank) => scriptOf(programs[rank] ?? { until: 0 })),
    reopen: open,
    close,
    async cut() {
      renameSync(folder, `${folder}-away`)
      await cluster.kill('slurmctld', 'SIGSTOP')
    },
    async restore() {
      await cluster.kill('slurmctld', 'SIGCONT')
      renameSync(`${folder}-away`, folder)
    },
    tooMuch: () => order({ ranks: 5 }),
    hindered() {
      const hindered = order()
      script(hindered, () => 'kill -SEGV $$')
      return { order: hindered, kind: 'signal' }
    },
  }
}

const lacks: Lacks = {
  notice: 'Slurm tells of a preemption only when it is under way, and the rig preempts nothing yet',
  retryAfter: 'Slurm refuses no calls for a time',
  watch: 'Slurm tells of nothing',
}
describeProvider('slurm by its commands', () => openRig({ conf: cluster.conf }), lacks)
describeProvider('slurm over HTTP', () => openRig({ rest: cluster.rest }), lacks)
