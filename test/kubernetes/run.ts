import { globSync } from 'node:fs'

import { runFiles } from '#rigs/files.ts'
import { dnsBinary, goHere, howToGetGo, kueueBinary, planeBinary } from '#rigs/kubernetes/binary.ts'
import { noNodeHere } from '#rigs/kubernetes/node.ts'

// npm run rig:kubernetes: all that needs a real Kubernetes. Where there is no Go to build it with, or nothing to run
// containers with, it says so and has nothing to say about the rest, except where it must be there: in CI, which sets
// ISOBAR_RIGS=required. With `--build` it only builds, for which CI need not wait.

const isRequired = process.env['ISOBAR_RIGS'] === 'required'
const go = goHere()
if (go === null) {
  console.error(howToGetGo)
  process.exit(isRequired ? 1 : 0)
}
const built = [await planeBinary(console.log), await dnsBinary(console.log), await kueueBinary(console.log)]
console.log(`Kubernetes, built with ${go}: ${built.join(', ')}`)
const asked = process.argv.slice(2)
if (asked.includes('--build')) process.exit(0)
const noNode = noNodeHere()
if (noNode !== null) {
  console.error(noNode)
  if (isRequired) process.exit(1)
}
const all = globSync('test/kubernetes/*.ts').filter((file) => !file.endsWith('run.ts'))
const files = (asked.length > 0 ? asked : all).filter((file) => noNode === null || file !== 'test/kubernetes/node.ts')
process.exit(await runFiles(files.sort(), { timeoutMs: 300_000 }))
