import { globSync } from 'node:fs'
import { basename } from 'node:path'

import { runFiles } from '#rigs/files.ts'
import { noNodeHere } from '#rigs/kubernetes/node.ts'
import { goHere, howToGetGo, storeBinary } from '#rigs/object-store.ts'
import { clusterHere, howToGetCluster } from '#rigs/slurm/cluster.ts'

// npm run rig:object-store: all that needs a real object store. What also needs a real node of Kubernetes (failover.ts)
// or Slurm (slurm.ts) runs where there can be one. In CI, which sets ISOBAR_RIGS=required, all of it must run. With `--build` it only builds.

const isRequired = process.env['ISOBAR_RIGS'] === 'required'
if (goHere() === null) {
  console.error(howToGetGo)
  process.exit(isRequired ? 1 : 0)
}
console.log(`the object store: ${await storeBinary(console.log)}`)
const asked = process.argv.slice(2)
if (asked.includes('--build')) process.exit(0)
// What else some of it needs, and whether that is here.
const needs = new Map([
  ['failover.ts', noNodeHere()],
  ['slurm.ts', clusterHere() === null ? howToGetCluster : null],
])
const missing = [...needs.values()].filter((what) => what !== null)
for (const what of missing) console.error(what)
if (missing.length > 0 && isRequired) process.exit(1)
const all = globSync('test/object-store/*.ts').filter((file) => !file.endsWith('run.ts'))
const files = (asked.length > 0 ? asked : all).filter((file) => !needs.get(basename(file)))
process.exit(await runFiles(files.sort(), { timeoutMs: 500_000 }))
