import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { callMain } from '#cli/captured.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { aHouse } from '#rigs/slurm/house.ts'
import { poll } from '#rigs/slurm/site.ts'

// A secret reaches the ranks of a job of Slurm, and nobody else there.

const cluster = await startCluster({ nodes: 2, gpus: 0 })
after(cluster.stop)
const shared = join(cluster.folder, 'shared')

for (const [way, changes] of [
  ['by its commands', {}],
  ['over HTTP', { conf: undefined, rest: cluster.rest }],
] as const)
  test(`${way}: a secret is in the environment of each rank, and not in what Slurm, processes or the shared disk show`, async (t) => {
    const tokenFile = join(cluster.folder, 'house.jwt')
    writeFileSync(tokenFile, cluster.token(), { mode: 0o600 })
    const house = await aHouse(t, cluster, { ...changes, ...('rest' in changes && { tokenFile }) })
    const value = randomBytes(24).toString('hex')
    const file = join(house.home, 'value')
    writeFileSync(file, value, { mode: 0o600 })
    const set = await callMain(['secret', 'set', 'HF_TOKEN', '--file', file], { env: { ISOBAR_HOME: house.home } })
    assert.equal(set.code, 0, set.stderr)
    const seen = join(shared, `${createHash('sha256').update(value).digest('hex').slice(0, 8)}.seen`)
    const spec = {
      kind: 'job',
      name: 'with-secret',
      nodes: 2,
      secrets: ['HF_TOKEN'],
      resources: { cpus: 1, memory: '64MB' },
      checkpoint: { grace: '1s' },
      run: `printf %s "$HF_TOKEN" | sha256sum > ${seen}.$ISOBAR_RANK; exec sleep 1000`,
    }
    const [id = ''] = await house.submit(JSON.stringify(spec))
    const sums = () => [0, 1].flatMap((rank) => (existsSync(`${seen}.${rank}`) ? [sumIn(`${seen}.${rank}`)] : []))
    await poll('both ranks tell', async () => sums().join('').length === 128)
    const sum = createHash('sha256').update(value).digest('hex')
    assert.deepEqual(sums(), [sum, sum])

    const jobs = await cluster.command('squeue', '-h', '-t', 'R', '-o', '%A')
    for (const job of jobs.trim().split('\n')) {
      const shown = await cluster.command('scontrol', 'show', 'job', '-dd', job)
      assert.match(shown, /JobName=isobar-/)
      assert.ok(!shown.includes(value), 'Slurm shows it')
      assert.ok(!(await cluster.command('scontrol', 'write', 'batch_script', job, '-')).includes(value), 'its script')
    }
    assert.ok(commandLines().some((line) => line.includes('sleep')))
    assert.ok(!commandLines().some((line) => line.includes(value)), 'it is an argument of a process')
    const files = readdirSync(shared, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const own = files.filter(({ parentPath }) => !parentPath.startsWith(join(shared, 'programs')))
    assert.ok(own.length > 4)
    for (const { parentPath, name } of own)
      assert.ok(!readFileSync(join(parentPath, name)).includes(value), `it is in ${join(parentPath, name)}`)
    const stopped = await callMain(['stop', id], { env: { ISOBAR_HOME: house.home } })
    assert.equal(stopped.code, 0, stopped.stderr)
    await poll('it has stopped', async () => (await house.look(id)).state === 'stopped')
  })

const sumIn = (file: string): string => readFileSync(file, 'utf8').split(' ')[0] ?? ''

/** What `ps` shows everybody. */
const commandLines = (): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')]
      } catch {
        return [] // it has ended
      }
    })
