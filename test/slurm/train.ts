import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { text } from 'node:stream/consumers'

import { startCluster } from '#rigs/slurm/cluster.ts'

const cluster = await startCluster({ nodes: 2, gpus: 0 })
after(cluster.stop)

const home = join(cluster.folder, 'home')
const env = { ...process.env, ISOBAR_HOME: home, ISOBAR_PORT: '0' }

async function isobar(...argv: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['bin/isobar.js', ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await code, out, err }
}

const lossesOf = (out: string): string[] => out.split('\n').flatMap((line) => /step \d+\/.*$/.exec(line)?.[0] ?? [])

test('the example trains in a job of Slurm to the same losses as on this machine', async (t) => {
  mkdirSync(home, { mode: 0o700 })
  const shared = join(cluster.folder, 'shared')
  writeFileSync(
    join(home, 'sites.yaml'),
    `sites:
  - { provider: local, name: here }
  - { provider: slurm, name: rig, partition: main, directory: ${shared}, conf: ${cluster.conf} }
`,
  )
  t.after(() => isobar('server', 'stop'))
  const work = join(cluster.folder, 'work')
  cpSync('examples/train', work, { recursive: true })
  const runs: string[][] = []
  for (const site of ['local/here', 'slurm/rig']) {
    const file = join(work, 'spec.yaml')
    writeFileSync(
      file,
      `kind: job
name: tiny-train
nodes: 2
resources: { cpus: 0.5, memory: 256MB }
placement: { sites: [${site}] }
workdir: .
run: ${process.execPath} train.ts
env: { STEPS: 12, SAVE_EVERY: 5 }
checkpoint: { grace: 10s }
`,
    )
    const { code, out, err } = await isobar('run', file)
    assert.equal(code, 0, `${site}: ${out}${err}`)
    runs.push(lossesOf(out))
  }
  const [here, there] = runs
  assert.ok((here?.length ?? 0) > 1)
  assert.deepEqual(there, here)
})
