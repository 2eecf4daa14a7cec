import { globSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { runFiles } from '#rigs/files.ts'
import { accountingHere, howToGetAccounting } from '#rigs/slurm/accounting.ts'
import { clusterHere, howToGetCluster } from '#rigs/slurm/cluster.ts'
import { installRelease, onRelease, releases, whatReleasesNeed } from '#rigs/slurm/release.ts'

// npm run rig:slurm: all that needs a real Slurm cluster, or the files that are named. With `--version` it runs on that
// release, without on the Slurm of this machine; with `--kills N` it kills the controller that often, and with
// `--accounting` it tries a cluster with slurmdbd and a database; both do nothing else. Where there is no Slurm it says so and has nothing to say about the rest, except where it must be there: in CI,
// which sets ISOBAR_RIGS=required.

const { values: options, positionals } = parseArgs({
  options: { version: { type: 'string' }, kills: { type: 'string' }, accounting: { type: 'boolean' } },
  allowPositionals: true,
})
const { version, kills, accounting = false } = options
if (version !== undefined && !releases.includes(version)) end(`--version is ${releases.join(' or ')}`, 2)
if (kills !== undefined && !/^[1-9]\d{0,2}$/.test(kills)) end('--kills is a number from 1 to 999', 2)
const missing = version === undefined ? whatIsMissing() : whatReleasesNeed()
if (missing !== null) end(missing, process.env['ISOBAR_RIGS'] === 'required' ? 1 : 0)

const apart = new Set(['test/slurm/run.ts', 'test/slurm/accounting.ts'])
const all = globSync('test/slurm/*.ts').filter((file) => !apart.has(file))
const files = filesFor()
console.log(`Slurm ${version ?? clusterHere()}`)
const release = version === undefined ? null : installRelease(version)
if (kills !== undefined) process.env['ISOBAR_KILLS'] = kills
process.exit(
  await runFiles(files.sort(), {
    timeoutMs: 300_000 + Number(kills ?? 0) * 30_000,
    wrap: (command) => (release === null ? command : onRelease(release, command)),
  }),
)

function filesFor(): string[] {
  if (kills !== undefined) return ['test/slurm/kills.ts']
  if (accounting) return ['test/slurm/accounting.ts']
  return positionals.length > 0 ? positionals : all
}

function whatIsMissing(): string | null {
  if (clusterHere() === null) return howToGetCluster
  return accounting && !accountingHere() ? howToGetAccounting : null
}

function end(why: string, code: number): never {
  console.error(why)
  process.exit(code)
}
