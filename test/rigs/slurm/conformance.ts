import { renameSync } from 'node:fs'

import type { Lacks, Rig } from '#providers/conformance.ts'
import { scriptOf } from '#rigs/program-script.ts'

import type { Cluster } from './cluster.ts'
import { openSite, type Way } from './site.ts'

/** A site of a cluster on trial. */
export async function openRig(cluster: Cluster, way: Way): Promise<Rig> {
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

export const lacks: Lacks = {
  notice: 'Slurm tells of a preemption only when it is under way',
  retryAfter: 'Slurm refuses no calls for a time',
  watch: 'Slurm tells of nothing',
}
