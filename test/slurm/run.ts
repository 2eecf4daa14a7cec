import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'

import { clusterHere, howToGetCluster } from '#rigs/slurm/cluster.ts'

// npm run rig:slurm: all that needs a real Slurm cluster. Where there is no Slurm it says so and has nothing to say
// about the rest, except where it must be there: in CI, which sets ISOBAR_RIGS=required.

const version = clusterHere()
if (version === null) {
  console.error(howToGetCluster)
  process.exit(process.env['ISOBAR_RIGS'] === 'required' ? 1 : 0)
}
console.log(`Slurm ${version}`)
const asked = process.argv.slice(2)
const files = asked.length > 0 ? asked : globSync('test/slurm/*.ts').filter((file) => file !== 'test/slurm/run.ts')
const { status } = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=1', '--test-timeout=300000', ...files.sort()],
  {
    stdio: 'inherit',
  },
)
process.exit(status ?? 1)
