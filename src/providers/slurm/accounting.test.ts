import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  type Accounting,
  type Association,
  boundsFor,
  noLimits,
  type Qos,
  sayLimits,
  standingOf,
} from './accounting.ts'
import { associations, qualities, remembered } from './accounting-replies.ts'
import { askAccounting, askRemembered, licencesIn, tresOf } from './accounting-commands.ts'
import { causeOfJob } from './cause.ts'
import { createLimits } from './limits.ts'
import { fail, succeed } from '#model/fault.ts'

const anAssociation = (fields: Partial<Association>): Association => ({
  account: 'physics',
  user: '',
  parent: '',
  partition: '',
  isDefault: false,
  qos: ['normal', 'short'],
  defaultQos: '',
  limits: noLimits,
  ...fields,
})
const aQos = (name: string, limits: Partial<Qos['limits']> = {}, isOverPartition = false): Qos => ({
  name,
  isOverPartition,
  limits: { ...noLimits, ...limits },
})
const accounts: Accounting = {
  associations: [
    anAssociation({ user: 'ada', isDefault: true, limits: { ...noLimits, job: { node: 6 }, mostMinutes: 90 } }),
    anAssociation({ user: 'ada', account: 'music' }),
    anAssociation({ parent: 'science', limits: { ...noLimits, group: { 'gres/gpu': 8, cpu: 70 } } }),
    anAssociation({ account: 'science', limits: { ...noLimits, group: { cpu: 60 } } }),
  ],
  qos: [aQos('normal'), aQos('short', { job: { 'gres/gpu': 4, node: 9 }, group: { 'gres/gpu': 64 }, mostMinutes: 60 })],
  partitionQos: null,
}
const ada = { user: 'ada', partition: 'main' }
const limitsOf = (accounting: Accounting, more: object = {}): string => {
  const standing = standingOf(accounting, { ...ada, ...more })
  return 'no' in standing ? assert.fail(standing.no) : sayLimits(standing)
}

test('what limits a job is said by its user and by all accounts above, of groups', () => {
  assert.equal(
    limitsOf(accounts),
    'MaxTRES of user ada in account physics: node=6; GrpTRES of account physics: gres/gpu=8; ' +
      'GrpTRES of account physics: cpu=70; GrpTRES of account science: cpu=60; MaxWall: 90 min',
  )
  assert.equal(limitsOf(accounts, { account: 'music' }), 'none')
})

test('what a quality of service limits the association does not; the one of the partition goes first, unless told otherwise', () => {
  const short = limitsOf(accounts, { qos: 'short' })
  assert.match(short, /MaxTRES of QOS short: node=9/)
  assert.match(short, /GrpTRES of QOS short: gres\/gpu=64/)
  assert.match(short, /MaxWall: 60 min/)
  assert.doesNotMatch(short, /node=6|gres\/gpu=8/)
  const partition = { ...accounts, partitionQos: 'part' }
  const part = aQos('part', { job: { node: 2 } })
  assert.match(
    limitsOf({ ...partition, qos: [...accounts.qos, part] }, { qos: 'short' }),
    /MaxTRES of QOS part: node=2;/,
  )
  const over = aQos('short', { job: { node: 9 } }, true)
  assert.match(limitsOf({ ...partition, qos: [over, part] }, { qos: 'short' }), /MaxTRES of QOS short: node=9$|node=9;/)
})

test('who may not run as told is told what there is', () => {
  assert.deepEqual(standingOf(accounts, { ...ada, account: 'physiks' }), { no: 'account', has: ['physics', 'music'] })
  assert.deepEqual(standingOf(accounts, { ...ada, qos: 'long' }), { no: 'qos', has: ['normal', 'short'] })
  assert.deepEqual(standingOf(accounts, { ...ada, user: 'bob' }), { no: 'association', has: [] })
})

test('bounds are the tightest of each thing, and a limit of a model binds that model alone', () => {
  const standing = {
    account: 'physics',
    qos: 'normal',
    most: [
      { tres: 'gres/gpu', most: 8, by: 'a' },
      { tres: 'gres/gpu:h200', most: 2, by: 'b' },
      { tres: 'cpu', most: 3, by: 'c' },
      { tres: 'billing', most: 1, by: 'd' },
    ],
    mostMinutes: null,
  }
  const bounds = (model?: string) => boundsFor(standing, model).map(({ of, most, by }) => `${of} ${most} ${by}`)
  assert.deepEqual(bounds('H200'), ['accelerators 2 b', 'cpuMilli 3000 c'])
  assert.deepEqual(bounds('H100'), ['accelerators 8 a', 'cpuMilli 3000 c'])
})

const config = (enforce: string) => async () =>
  succeed(
    `AccountingStorageEnforce = ${enforce}\nAccountingStorageType = accounting_storage/slurmdbd\nClusterName = rig\n`,
  )

test('what commands and slurmrestd print is read as it is written', async () => {
  assert.deepEqual(tresOf('cpu=100,gres/gpu:h200=8,mem=2T,node=3'), {
    cpu: 100,
    'gres/gpu:h200': 8,
    mem: 2 * 1024 * 1024,
    node: 3,
  })
  assert.deepEqual([tresOf(''), tresOf('mem=512').mem, tresOf('mem=1.50G').mem], [{}, 512, 1536])
  assert.deepEqual(
    licencesIn(
      'LicenseName=dataset\n    Total=4 Used=3 Free=1 Reserved=0 Remote=no\nLicenseName=b\n Total=1 Used=0 Free=1',
    ),
    [
      { name: 'dataset', total: 4, free: 1 },
      { name: 'b', total: 1, free: 1 },
    ],
  )
  assert.deepEqual(licencesIn('No licenses configured in Slurm.'), [])
  assert.deepEqual(await askAccounting(ada, config('none')), succeed(null))
  const down = fail('unreachable', 'later', 'Connection refused')
  assert.deepEqual(
    await askAccounting(ada, async ([program]) => (program === 'sacctmgr' ? down : config('limits')())),
    down,
  )
  const ended = await askRemembered(7, async () => succeed('7|isobar-l|CANCELLED by 1000|\n'))
  assert.deepEqual(ended.ok && [ended.value?.phase, ended.value?.detail], ['ended', 'CANCELLED'])
  const disabled = fail('unreachable', 'later', 'Slurm accounting storage is disabled')
  assert.deepEqual(await askRemembered(7, async () => disabled), succeed(null))
})

test('associations of other clusters in one database are left out, or not believed where nobody says which is ours', () => {
  const per = { job: [], user: [], account: [] }
  const one = (cluster: string) => ({
    cluster,
    account: 'physics',
    user: 'ada',
    qos: ['normal'],
    default: { qos: null },
    max: { jobs: { per: { wall_clock: null } }, tres: { total: [{ type: 'gres', name: 'gpu', count: 8 }], per } },
  })
  const told = (meta: object) => associations({ status: 200, body: { meta, associations: [one('a'), one('b')] } })
  const here = told({ slurm: { cluster: 'b' } })
  assert.deepEqual(here.ok && here.value.map(({ limits }) => limits.group), [{ 'gres/gpu': 8 }])
  assert.equal(told({ Slurm: {} }).ok, false)
  // As 22.05 says that there is none.
  const nothing = {
    status: 500,
    body: { errors: [{ error: 'Nothing found with query', error_number: 9003 }], jobs: [] },
  }
  assert.deepEqual([remembered(nothing), associations(nothing)], [succeed(null), succeed([])])
  assert.equal(qualities({ status: 500, body: { errors: [{ error: 'Unable to connect to database' }] } }).ok, false)
})

test('limits that were known hold while accounting does not answer', async () => {
  const answers = [succeed(accounts), fail('unreachable', 'later', 'away')]
  const accounting = async () => answers.shift() ?? assert.fail('asked too often')
  const site = { ...ada, name: 's' } as Parameters<typeof createLimits>[0] // as far as it is read
  const limits = createLimits(site, { accounting })
  const signal = new AbortController().signal
  const first = await limits(signal)
  assert.equal(first?.account, 'physics')
  assert.equal(await limits(signal), first)
  assert.equal(await createLimits(site, { accounting })(signal), null)
})

test('what a job waits for is told with what helps, and only what never comes is told as such', () => {
  const job = { id: 1, name: 'j', comment: 'j', phase: 'pending', startsAt: null, endsAt: null, minutes: null } as const
  const told = (reason: string) => {
    const cause = causeOfJob({ ...job, detail: `PENDING: ${reason}` }, 0)
    return [cause?.kind, cause?.fix?.split(' ').slice(0, 3).join(' ')]
  }
  assert.deepEqual(told('Licenses'), ['queued', 'all of a'])
  for (const reason of ['AssocGrpGRES', 'QOSGrpCpuLimit', 'QOSMaxGRESPerUser', 'AssocMaxJobsLimit'])
    assert.deepEqual(told(reason), ['queued', 'wait until jobs'], reason)
  assert.deepEqual(told('AssocGrpCPUMinutesLimit'), ['unschedulable', 'the time of'])
  assert.deepEqual(told('QOSMaxGRESPerJob'), ['unschedulable', 'ask for less,'])
  assert.deepEqual(told('AssocMaxWallDurationPerJobLimit'), ['unschedulable', 'ask for less,'])
  assert.deepEqual(told('InvalidQOS'), ['unschedulable', 'correct qos of'])
  assert.deepEqual(told('PartitionDown'), ['unschedulable', 'ask who runs'])
  assert.deepEqual(told('Priority'), [undefined, undefined])
})
