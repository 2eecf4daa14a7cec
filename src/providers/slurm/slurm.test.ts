import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Outcome } from '#model/fault.ts'

import { installAgent } from './agent-program.ts'
import { causeOfJob, causeOfSilence } from './cause.ts'
import { minutesOf } from './fields.ts'
import { SlurmConfig, slurmSites } from './config.ts'
import { gpusOf, hostsOf, isUsable, phaseOf } from './controller.ts'
import { faultOf } from './faults.ts'
import * as replies from './replies.ts'
import { sshTo } from './run-command.ts'
import { createSlurm } from './slurm.ts'
import { causeOfLimit } from './time-limit.ts'
import { pathsIn } from './topology.ts'

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
  assert.equal(kindOf(replies.job(unknownJob)), 'null')
  assert.equal(kindOf(replies.job(unspecified)), 'unreachable')
  assert.equal(kindOf(replies.job(said(200))), 'unreachable')
  assert.equal(kindOf(replies.job({ status: 502, body: '<html>bad gateway' })), 'unreachable')
})

test('v0.0.38: an answer that nothing has changed, or that cannot be read, is no empty list', () => {
  assert.equal(kindOf(replies.allJobs({ status: 304, body: '' })), 'unreachable')
  assert.equal(kindOf(replies.allJobs({ status: 200, body: { jobs: [{ job_id: 'one' }] } })), 'unreachable')
  assert.equal(kindOf(replies.allJobs({ status: 200, body: { errors: [], jobs: [] } })), '[]')
})

test('v0.0.38: a job that was taken is one, whatever is complained of besides', () => {
  const tooLarge = { error_code: 2015, error: 'Requested partition configuration not available now' }
  const taken = { status: 200, body: { errors: [tooLarge], job_id: 3, step_id: 'BATCH' } }
  assert.equal(kindOf(replies.submitted(taken)), '3')
  const refused = said(500, { error_code: 2014, error: 'Requested node configuration is not available' })
  assert.equal(kindOf(replies.submitted(refused)), 'no-capacity')
})

test('v0.0.38: what is left to cancel of a job that is not there, or has ended, is nothing', () => {
  const unable = 'unable to kill JobId=9 with signal 9: '
  for (const error of ['Invalid job id specified', 'Job/step already completing or completed'])
    assert.equal(
      kindOf(replies.cancelled(said(500, { description: unable + error, error_number: 2017, error }))),
      'null',
    )
  assert.equal(kindOf(replies.cancelled(unspecified)), 'unreachable')
})

test('v0.0.38: a node is up if its state and all its flags are, and says what jobs have of it', () => {
  const node = {
    name: 'n0',
    cpus: 64,
    real_memory: 512_000,
    temporary_disk: 0,
    gres: 'gpu:h200:8',
    gres_used: 'gpu:h200:2(IDX:0-1)',
    alloc_cpus: 3,
    alloc_memory: 256,
    state: 'mixed',
    state_flags: ['DRAIN'],
    reason: 'broken fan',
    active_features: 'h200,ib',
    partitions: ['main'],
  }
  assert.deepEqual(replies.nodes({ status: 200, body: { errors: [], nodes: [node] } }), {
    ok: true,
    value: [
      {
        name: 'n0',
        partitions: ['main'],
        usable: false,
        state: 'MIXED+DRAIN',
        reason: 'broken fan',
        features: ['h200', 'ib'],
        cpus: 64,
        memoryMiB: 512_000,
        diskMiB: 0,
        gpus: { type: 'h200', count: 8 },
        used: { cpus: 3, memoryMiB: 256, gpus: 2 },
      },
    ],
  })
})

const found = (status: number, body: object) => ({ status, body: { errors: [], warnings: [], ...body } })

test('v0.0.40 to v0.0.45: what fails behind a status of 200, or lies with another, is read as what it is', () => {
  const refused = (status: number, error: string, error_number: number) =>
    found(status, { errors: [{ error, error_number, description: 'Signal request failed', source: 'slurm' }] })
  const notDone = (string: string, code: number) =>
    found(200, { status: [{ error: { string, code, message: string } }] })
  // No such job, and one that has ended.
  assert.equal(kindOf(replies.cancelled(notDone('Invalid job id specified', 2017))), 'null')
  assert.equal(kindOf(replies.cancelled(notDone('Job/step already completing or completed', 2021))), 'null')
  assert.equal(kindOf(replies.cancelled(notDone('Access/permission denied', 2002))), 'denied')
  // No controller: 24.11 says so with 500, 26.05 with 403.
  for (const status of [403, 500])
    assert.equal(kindOf(replies.cancelled(refused(status, 'Operation not permitted', 1))), 'unreachable')
  assert.equal(kindOf(replies.cancelled(refused(511, 'Protocol authentication error', 1007))), 'denied')
  assert.equal(kindOf(replies.ping(found(200, { pings: [{ responding: false }] }))), 'unreachable')
  assert.equal(kindOf(replies.ping(found(200, { pings: [{ pinged: 'DOWN' }] }))), 'unreachable')
  assert.equal(kindOf(replies.ping(found(200, { pings: [{ pinged: 'UP' }] }))), 'null')
  // No such partition: 26.05 has only a warning.
  assert.equal(kindOf(replies.partition(found(200, {}))), 'invalid')
  assert.equal(kindOf(replies.partition(refused(511, 'Protocol authentication error', 1007))), 'denied')
  assert.equal(kindOf(replies.job(found(200, { jobs: [] }))), 'unreachable')
  assert.equal(kindOf(replies.job(refused(404, 'Invalid job id specified', 2017))), 'null')
  assert.equal(kindOf(replies.allJobs(refused(511, 'Protocol authentication error', 1007))), 'denied')
})

test('names of nodes are read as Slurm folds them', () => {
  const lists = {
    '': [],
    n0: ['n0'],
    'n[0-2,07],login': ['n0', 'n1', 'n2', 'n07', 'login'],
    'r[1-2]n[08-09]': ['r1n08', 'r1n09', 'r2n08', 'r2n09'],
  }
  for (const [list, names] of Object.entries(lists)) assert.deepEqual(hostsOf(list), names, list)
})

test('the path of a node goes up from itself or its block, by the tree that Slurm prints', () => {
  const tree = `SwitchName=leaf0 Level=0 LinkSpeed=1 Nodes=n[0-1]
SwitchName=leaf1 Level=0 LinkSpeed=1 Nodes=n2
SwitchName=core Level=1 LinkSpeed=1 Nodes=n[0-2] Switches=leaf[0-1] # of all
`
  const paths = { n0: ['n0', 'leaf0', 'core'], n1: ['n1', 'leaf0', 'core'], n2: ['n2', 'leaf1', 'core'] }
  assert.deepEqual(pathsIn(tree), new Map(Object.entries(paths)))
  const blocks = `BlockName=b0 BlockIndex=0 Nodes=n[0-1] BlockSize=2
BlockName=b1 BlockIndex=1 Nodes=n2 BlockSize=2
AggregatedBlock=b[0-1] BlockIndex=2 Nodes=n[0-2] BlockSize=4
`
  assert.deepEqual(pathsIn(blocks), new Map(Object.entries({ n0: ['b0'], n1: ['b0'], n2: ['b1'] })))
  assert.deepEqual(pathsIn(''), new Map())
  assert.match(
    String(pathsIn('SwitchName=a Switches=b\nSwitchName=b Switches=a\nSwitchName=c Nodes=n0\nSwitchName=a Switches=c')),
    /below itself/,
  )
})

test('what Slurm says becomes the fault that it is, and what nobody knows is no answer', () => {
  const sayings = {
    'Unable to contact slurm controller (connect failure)': 'unreachable',
    'Requested node configuration is not available': 'no-capacity',
    'Invalid partition name specified': 'invalid',
    'Required partition not available (inactive or drain)': 'invalid',
    'Invalid generic resource (gres) specification': 'invalid',
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
  assert.deepEqual(
    [
      'IDLE',
      'mixed',
      'down*',
      'idle*',
      'DRAINED',
      'alloc',
      'planned',
      'IDLE+CLOUD+POWERED_DOWN',
      'MIXED+CLOUD+NOT_RESPONDING+POWERING_UP',
      'MIXED+NOT_RESPONDING',
      'DOWN+CLOUD+POWERED_DOWN',
    ].map(isUsable),
    [true, true, false, false, false, true, true, true, true, false, false],
  )
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
})

test('what a command is told over SSH, a shell reads as it is, whatever signs are in it', async () => {
  const odd = ['a b', "it's", '$HOME `id` ; & | > * ?', '', 'line\nline', String.raw`back\slash "`]
  const [program, ...argv] = sshTo({ ssh: 'me@login1' }, ['printf', '%s\\0', ...odd], {
    PATH: '/nowhere',
    KEPT: "o'ne",
  })
  assert.deepEqual([program, ...argv.slice(-3, -1)], ['ssh', '--', 'me@login1'])
  const { execFileSync } = await import('node:child_process')
  const read = execFileSync('sh', ['-c', argv.at(-1) ?? ''], { encoding: 'utf8' })
  assert.deepEqual(read.split('\0').slice(0, -1), odd)
  assert.match(argv.at(-1) ?? '', /KEPT=/)
  assert.doesNotMatch(argv.at(-1) ?? '', /PATH=/)
})

test('a job that waits has a cause when there is an estimate, when none came, or when it can never start', () => {
  const untimed = { startsAt: null, endsAt: null, minutes: null }
  const job = { id: 1, name: 'j', comment: 'j', phase: 'pending', detail: 'PENDING: Priority', ...untimed } as const
  const told = (change: object, waitedMs: number) => {
    const cause = causeOfJob({ ...job, ...change }, waitedMs)
    return cause && `${cause.kind}: ${cause.detail}`
  }
  assert.equal(told({}, 1000), undefined)
  assert.equal(told({}, 60_000), 'queued: Slurm says Priority')
  const start = 'queued: Slurm says Resources, and expects to start it at 1970-01-01T00:00:01.000Z'
  assert.equal(told({ detail: 'PENDING: Resources', startsAt: 1000 }, 0), start)
  assert.equal(told({ detail: 'PENDING: JobHeldUser' }, 0), 'unschedulable: Slurm says JobHeldUser')
  assert.equal(told({ phase: 'ended', detail: 'NODE_FAIL' }, 0), 'node-lost: Slurm says NODE_FAIL')
  assert.equal(told({ phase: 'ended', detail: 'COMPLETED' }, 0), undefined)
})

test('a rank is told to have been out of time when Slurm says so, or had warned it just before', () => {
  const job = { id: 1, name: 'j', comment: 'j', phase: 'ended', startsAt: 0, minutes: 10 } as const
  const told = (detail: string, endsAt: number, more: { maximumMs?: number; state?: 'lost' | 'running' } = {}) => {
    const { state = 'lost', ...order } = more
    return causeOfLimit({ ...job, detail, endsAt }, { graceMs: 30_000, ...order }, { state })
  }
  const short = 'a job there may run 10m at most: save checkpoints to go on from, or ask for another site'
  const warned = (state: string) => ({
    kind: 'deadline',
    detail: `Slurm warned it, and then says ${state}`,
    fix: short,
  })
  const out = { kind: 'deadline', detail: 'Slurm says TIMEOUT' }
  assert.deepEqual(told('COMPLETED', 510_000), warned('COMPLETED'))
  assert.deepEqual(told('FAILED: NonZeroExitCode', 600_000), warned('FAILED: NonZeroExitCode'))
  assert.deepEqual(told('TIMEOUT', 620_000, { state: 'running' }), { ...out, fix: short })
  assert.deepEqual(told('TIMEOUT', 620_000, { maximumMs: 600_000 }), { ...out, fix: short })
  // 6 min 30 s, its grace and three minutes are ten: more time there would have helped.
  assert.deepEqual(told('TIMEOUT', 620_000, { maximumMs: 390_000 }), out)
  assert.equal(told('COMPLETED', 509_000), undefined, 'it ended before it could be warned')
  assert.equal(told('COMPLETED', 590_000, { state: 'running' }), undefined, 'it was not taken away')
  assert.equal(told('CANCELLED', 590_000), undefined)
})

test('names and paths that a shell could misread are refused', () => {
  const site = { name: 'west', partition: 'main', directory: '/shared' }
  const isRight = (change: object) => SlurmConfig.safeParse({ sites: [{ ...site, ...change }] }).success
  assert.equal(isRight({}), true)
  for (const change of [{ partition: 'a b' }, { partition: '--wrap=x' }, { directory: 'here' }, { directory: '/a $b' }])
    assert.equal(isRight(change), false, JSON.stringify(change))
  const rest = 'http://login1:6820'
  assert.deepEqual([isRight({ rest }), isRight({ rest: 'ftp://login1' })], [true, false])
  const tokenCommand = ['scontrol', 'token', 'lifespan=3600']
  assert.deepEqual([isRight({ rest, tokenCommand }), isRight({ tokenCommand })], [true, false])
  for (const wrong of [[], [''], ['scontrol\ntoken'], 'scontrol token'])
    assert.equal(isRight({ rest, tokenCommand: wrong }), false, JSON.stringify(wrong))
  assert.equal(isRight({ rest, tokenCommand, tokenLifespan: '1d' }), false)
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

test('a job that should have asked for its order and did not is told as such, but not before it could', () => {
  const job = { id: 7, name: '', comment: '', detail: 'RUNNING', endsAt: null, minutes: null }
  const cause = (phase: 'running' | 'ended' | 'pending', agoMs: number | null) =>
    causeOfSilence({ ...job, phase, startsAt: agoMs === null ? null : Date.now() - agoMs })?.kind
  assert.deepEqual(
    [cause('running', 1000), cause('running', null), cause('pending', 120_000)],
    Array(3).fill(undefined),
  )
  assert.deepEqual([cause('running', 120_000), cause('ended', 1000)], ['unheard', 'unheard'])
})

function checkpointsOf(change: object): unknown[] {
  const config = SlurmConfig.parse({ sites: [{ name: 's', partition: 'main', ...change }] })
  const provider = createSlurm({ sites: slurmSites(config, '/h'), home: '/h', shared: '/h/shared', house: 'h' })
  const [site] = provider.sites()
  return [site?.checkpointFolder, site?.checkpoints?.bucket]
}

test('where nodes keep checkpoints: with the house, in a folder of theirs, in a bucket, or with the rank', () => {
  const bucket = { checkpoints: 's3://models/a', checkpointsRegion: 'r', checkpointsSecret: 'KEYS' }
  assert.deepEqual(checkpointsOf({ directory: '/shared' }), [undefined, undefined])
  assert.deepEqual(checkpointsOf({ directory: '/shared', checkpoints: '/lustre' }), ['/lustre', undefined])
  assert.deepEqual(checkpointsOf({ directory: '/shared', ...bucket }), [undefined, 'models'])
  assert.deepEqual(checkpointsOf({}), ['checkpoints', undefined])
  assert.deepEqual(checkpointsOf({ ...bucket }), ['checkpoints', 'models'])
})
