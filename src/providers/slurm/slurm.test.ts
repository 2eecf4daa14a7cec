import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Outcome } from '#model/fault.ts'

import { installAgent } from './agent-program.ts'
import { minutesOf } from './command-line.ts'
import { SlurmConfig } from './config.ts'
import { gpusOf, grouped, isUsable, phaseOf } from './controller.ts'
import { faultOf } from './faults.ts'
import { createTokenFile } from './token.ts'
import { v0_0_38 } from './v0-0-38.ts'

// What only a real cluster can tell is tried on one: `npm run rig:slurm`.

const said = (status: number, ...errors: object[]) => ({
  status,
  body: { errors, jobs: [], nodes: [], partitions: [] },
})
const kindOf = (outcome: Outcome<unknown>): string => (outcome.ok ? JSON.stringify(outcome.value) : outcome.fault.kind)

/** As slurmrestd 22.05.8 answers. */
const unknownJob = said(500, {
  description: 'Unable to find JobId=999',
  error_number: 2017,
  error: 'Invalid job id specified',
  source: 'slurm_load_job',
})
const unspecified = said(500, {
  description: 'Unable to find JobId=1',
  error_number: -1,
  error: 'Unspecified error',
  source: 'slurm_load_job',
})

test('v0.0.38: only the answer that there is no such job is read as none', () => {
  assert.equal(kindOf(v0_0_38.job(unknownJob)), 'null')
  assert.equal(kindOf(v0_0_38.job(unspecified)), 'unreachable')
  assert.equal(kindOf(v0_0_38.job(said(200))), 'unreachable')
  assert.equal(kindOf(v0_0_38.job({ status: 502, body: '<html>bad gateway' })), 'unreachable')
})

test('v0.0.38: an answer that nothing has changed, or that cannot be read, is no empty list', () => {
  assert.equal(kindOf(v0_0_38.allJobs({ status: 304, body: '' })), 'unreachable')
  assert.equal(kindOf(v0_0_38.allJobs({ status: 200, body: { jobs: [{ job_id: 'one' }] } })), 'unreachable')
  assert.equal(kindOf(v0_0_38.allJobs({ status: 200, body: { errors: [], jobs: [] } })), '[]')
})

test('v0.0.38: a job that was taken is one, whatever is complained of besides', () => {
  const tooLarge = { error_code: 2015, error: 'Requested partition configuration not available now' }
  const taken = { status: 200, body: { errors: [tooLarge], job_id: 3, step_id: 'BATCH' } }
  assert.equal(kindOf(v0_0_38.submitted(taken)), '3')
  const refused = said(500, { error_code: 2014, error: 'Requested node configuration is not available' })
  assert.equal(kindOf(v0_0_38.submitted(refused)), 'no-capacity')
})

test('v0.0.38: what is left to cancel of a job that is not there, or has ended, is nothing', () => {
  const unable = 'unable to kill JobId=9 with signal 9: '
  for (const error of ['Invalid job id specified', 'Job/step already completing or completed'])
    assert.equal(
      kindOf(v0_0_38.cancelled(said(500, { description: unable + error, error_number: 2017, error }))),
      'null',
    )
  assert.equal(kindOf(v0_0_38.cancelled(unspecified)), 'unreachable')
})

test('v0.0.38: nodes are those of the partition, those alike together, and which are up is told by state and flags', () => {
  const node = {
    cpus: 64,
    real_memory: 512_000,
    temporary_disk: 0,
    gres: 'gpu:h200:8',
    state: 'mixed',
    state_flags: [],
    partitions: ['main'],
  }
  const nodes = [node, node, { ...node, state_flags: ['DRAIN'] }, { ...node, partitions: ['other'] }]
  const gpus = { type: 'h200', count: 8 }
  const group = { cpus: 64, memoryMiB: 512_000, diskMiB: 0, gpus }
  assert.deepEqual(v0_0_38.nodes({ status: 200, body: { errors: [], nodes } }, 'main'), {
    ok: true,
    value: [
      { ...group, count: 2, usable: true },
      { ...group, count: 1, usable: false },
    ],
  })
})

test('what Slurm says becomes the fault that it is, and what nobody knows is no answer', () => {
  const sayings = {
    'Unable to contact slurm controller (connect failure)': 'unreachable',
    'Requested node configuration is not available': 'no-capacity',
    'Invalid partition name specified': 'invalid',
    'Invalid account or account/partition combination specified': 'invalid',
    'Job violates accounting/QOS policy (job submit limit, user’s size and/or time limits)': 'quota',
    'Access/permission denied': 'denied',
    'Protocol authentication error': 'denied',
    'Unspecified error': 'unreachable',
    '': 'unreachable',
  }
  for (const [text, kind] of Object.entries(sayings)) assert.equal(faultOf(text).fault.kind, kind, text)
})

test('states, limits and generic resources are read as Slurm writes them', () => {
  assert.deepEqual(['PENDING', 'RUNNING', 'COMPLETING', 'TIMEOUT', 'NEWSTATE'].map(phaseOf), [
    'pending',
    'running',
    'ending',
    'ended',
    'running',
  ])
  assert.deepEqual(['IDLE', 'mixed', 'down*', 'idle*', 'DRAINED', 'alloc', 'planned'].map(isUsable), [
    true,
    true,
    false,
    false,
    false,
    true,
    true,
  ])
  assert.deepEqual(['infinite', '30:00', '2:00:00', '7-00:00:00', '1-12:30:00'].map(minutesOf), [
    null,
    30,
    120,
    10_080,
    2190,
  ])
  assert.deepEqual(['gpu:h200:8(S:0-1)', 'licence:2,gpu:4', '(null)', 'gpu:0'].map(gpusOf), [
    { type: 'h200', count: 8 },
    { type: null, count: 4 },
    null,
    null,
  ])
  assert.deepEqual(grouped([]), [])
})

const tokenUntil = (ms: number): string =>
  ['{}', JSON.stringify({ exp: ms / 1000 }), 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.')

test('a token is read again when its file changes, and one that ends is told before Slurm is asked', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-token-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'jwt')
  const read = createTokenFile(file)
  assert.equal(kindOf(await read()), 'denied')
  const put = (text: string, at: number) => {
    writeFileSync(file, text)
    utimesSync(file, at, at)
  }
  const good = tokenUntil(Date.now() + 60_000)
  put(`SLURM_JWT=${good}\n`, 1)
  assert.deepEqual(await read(), { ok: true, value: good })
  put(tokenUntil(Date.now() + 2000), 2)
  assert.equal(kindOf(await read()), 'denied')
  put('no token', 3)
  assert.equal(kindOf(await read()), 'denied')
})

test('names and paths that a shell could misread are refused', () => {
  const site = { name: 'west', partition: 'main', directory: '/shared' }
  const isRight = (change: object) => SlurmConfig.safeParse({ sites: [{ ...site, ...change }] }).success
  assert.equal(isRight({}), true)
  for (const change of [{ partition: 'a b' }, { partition: '--wrap=x' }, { directory: 'here' }, { directory: '/a $b' }])
    assert.equal(isRight(change), false, JSON.stringify(change))
  assert.deepEqual([isRight({ rest: 'http://login1:6820' }), isRight({ rest: 'ftp://login1' })], [true, false])
})

test('the agent is laid down whole, once, under a name that tells what is in it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-programs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [one, two] = await Promise.all([installAgent(folder), installAgent(folder)])
  assert.equal(one, two)
  const { execFileSync } = await import('node:child_process')
  // Without a folder of a gang it ends, but only once all that it imports was found.
  const modules = ['src/agent/gang.ts', 'src/agent/agent.ts', 'src/agent/workdir.ts', 'src/kit/bundle-unpack.ts']
  const script = modules.map((path) => `await import(${JSON.stringify(join(one, path))});`).join('')
  execFileSync(join(one, 'node'), ['--input-type=module', '--eval', script], { cwd: folder, stdio: 'pipe' })
})
