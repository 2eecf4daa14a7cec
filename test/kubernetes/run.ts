import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'

import { goHere, howToGetGo, planeBinary } from '#rigs/kubernetes/binary.ts'

// npm run rig:kubernetes: all that needs a real Kubernetes. Where there is no Go to build it with it says so and has
// nothing to say about the rest, except where it must be there: in CI, which sets ISOBAR_RIGS=required. With `--build` it
// only builds, for which CI need not wait.

const go = goHere()
if (go === null) {
  console.error(howToGetGo)
  process.exit(process.env['ISOBAR_RIGS'] === 'required' ? 1 : 0)
}
console.log(`Kubernetes, built with ${go}: ${await planeBinary(console.log)}`)
const asked = process.argv.slice(2)
if (asked.includes('--build')) process.exit(0)
const files = asked.length > 0 ? asked : globSync('test/kubernetes/*.ts').filter((file) => !file.endsWith('run.ts'))
const { status } = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=1', '--test-timeout=300000', ...files.sort()],
  { stdio: 'inherit' },
)
process.exit(status ?? 1)
