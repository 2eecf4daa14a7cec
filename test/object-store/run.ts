import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'

import { noNodeHere } from '#rigs/kubernetes/node.ts'
import { goHere, howToGetGo, storeBinary } from '#rigs/object-store.ts'

// npm run rig:object-store: all that needs a real object store. What also needs a real node of Kubernetes (failover.ts) runs
// where there can be one. In CI, which sets ISOBAR_RIGS=required, all of it must run. With `--build` it only builds.

const isRequired = process.env['ISOBAR_RIGS'] === 'required'
if (goHere() === null) {
  console.error(howToGetGo)
  process.exit(isRequired ? 1 : 0)
}
console.log(`the object store: ${await storeBinary(console.log)}`)
const asked = process.argv.slice(2)
if (asked.includes('--build')) process.exit(0)
const noNode = noNodeHere()
if (noNode !== null) {
  console.error(noNode)
  if (isRequired) process.exit(1)
}
const all = globSync('test/object-store/*.ts').filter((file) => !file.endsWith('run.ts'))
const files = (asked.length > 0 ? asked : all).filter((file) => noNode === null || !file.endsWith('failover.ts'))
const { status } = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=1', '--test-timeout=500000', ...files.sort()],
  { stdio: 'inherit' },
)
process.exit(status ?? 1)
