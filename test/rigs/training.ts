import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'

type Training = {
  /** An empty place for the state of a house and the program. */
  folder: string
  /** What `sites.yaml` declares, and where Node is at each, by the name of the site. */
  sites: object[]
  node: Record<string, string>
  env?: Record<string, string>
  /** Waits until nothing of what ran there is left. */
  gone?: Record<string, () => Promise<void>>
}

/** The command line as one types it, with an environment of its own. */
export const commandLine =
  (env: NodeJS.ProcessEnv) =>
  async (...argv: string[]): Promise<{ code: number | null; out: string; err: string }> => {
    const child = spawn(process.execPath, ['bin/isobar.js', ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const code = new Promise<number | null>((resolve) => child.once('close', resolve))
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
    return { code: await code, out, err }
  }

/**
 * Trains the example with two ranks at each site, from one spec, by the command line and a house of its own, and asserts
 * that it comes to the same losses everywhere.
 */
export async function trainsAlike(
  t: TestContext,
  { folder, sites, node, env: own = {}, gone = {} }: Training,
): Promise<void> {
  const home = join(folder, 'home')
  mkdirSync(home, { mode: 0o700 })
  writeFileSync(join(home, 'sites.yaml'), JSON.stringify({ sites })) // JSON is YAML
  const env = { ...process.env, ISOBAR_HOME: home, ISOBAR_PORT: '0', ...own }
  const isobar = commandLine(env)
  t.after(() => isobar('server', 'stop'))
  const work = join(folder, 'work')
  cpSync('examples/train', work, { recursive: true })
  const runs: [string, string[]][] = []
  for (const [site, path] of Object.entries(node)) {
    const file = join(work, 'spec.yaml')
    writeFileSync(
      file,
      `kind: job
name: tiny-train
nodes: 2
resources: { cpus: 0.5, memory: 256MB }
placement: { sites: [${site}] }
workdir: .
run: ${path} train.ts
env: { STEPS: 12, SAVE_EVERY: 5 }
checkpoint: { grace: 10s }
`,
    )
    const { code, out, err } = await isobar('run', file)
    assert.equal(code, 0, `${site}: ${out}${err}`)
    runs.push([site, lossesOf(out)])
    if (!gone[site]) continue
    await gone[site]()
    const kept = await isobar('logs', 'tiny-train')
    assert.equal(kept.code, 0, kept.err)
    runs.push([`${site}, read again when it had gone`, lossesOf(kept.out)])
  }
  const [first] = runs
  assert.equal(first?.[1].length, 12)
  for (const [site, losses] of runs) assert.deepEqual(losses, first?.[1], site)
}

/** What the example says of each step. */
export const lossesOf = (out: string): string[] =>
  out.split('\n').flatMap((line) => /step \d+\/.*$/.exec(line)?.[0] ?? [])
