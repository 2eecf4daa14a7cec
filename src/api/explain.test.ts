import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Refusal } from '#model/plan.ts'
import type { WorkloadState } from '#model/workload.ts'
import type { ListedWorkload } from '#store/store.ts'
import { aJob, aNow, aReplica } from '#test/builders.ts'
import { conditionsOf } from './conditions.ts'
import type { ShownAttempt } from './show-attempt.ts'
import { whyOf } from './why.ts'

// What people and programs are told of a workload, from what is known of it.

const aRow = (fields: Partial<ListedWorkload> = {}): ListedWorkload => ({
  ...aJob({ name: 'train' }),
  id: 'w-1',
  ready: 0,
  replicas: 1,
  sites: [],
  priceMicros: 0,
  spentMicros: 0n,
  tasks: null,
  ...fields,
})

type Lease = NonNullable<ShownAttempt['lease']>

function anAttempt(fields: Partial<ShownAttempt> = {}, lease: Partial<Lease> = {}): ShownAttempt {
  const id = `a-${fields.number ?? 1}`
  return {
    id,
    workload: 'w-1',
    replica: aReplica(aJob()).replica,
    number: 1,
    state: 'running',
    plan: 'p-1',
    ready: true,
    exitCode: null,
    reason: '',
    createdAt: aNow,
    startedAt: aNow,
    endedAt: null,
    ranks: [],
    lease: {
      id: `l-${id}`,
      attempt: id,
      workload: 'w-1',
      project: 'default',
      provider: 'local',
      site: 'west',
      tier: 'on-demand',
      priceMicros: 1_000_000,
      ranks: [],
      state: 'held',
      createdAt: aNow,
      startedAt: aNow,
      endedAt: null,
      meteredUntil: aNow,
      ...lease,
    },
    ...fields,
  }
}

/** Such as `Admitted Started Ready? Reachable! -Ended`: true, false (-), unknown (?). */
const said = (row: ListedWorkload, attempts: ShownAttempt[]): string =>
  conditionsOf(row, attempts)
    .map(({ type, status }) => `${{ true: '', false: '-', unknown: '?' }[status]}${type}`)
    .join(' ')

test('conditions say what is so in each state, and nothing that nobody knows', () => {
  const over = { startedAt: aNow, endedAt: aNow + 1 }
  const ended = anAttempt({ state: 'succeeded', ready: false, endedAt: aNow + 1 }, { state: 'gone' })
  const cases: [WorkloadState, Partial<ListedWorkload>, ShownAttempt[], string][] = [
    ['queued', {}, [], '-Admitted -Started -Ready ?Reachable -Ended'],
    ['held', { wants: 'hold' }, [], '-Admitted -Started -Ready ?Reachable -Ended'],
    ['starting', {}, [anAttempt({ state: 'starting', ready: false })], 'Admitted -Started -Ready Reachable -Ended'],
    ['running', { startedAt: aNow, ready: 1 }, [anAttempt()], 'Admitted Started Ready Reachable -Ended'],
    ['running', { startedAt: aNow, ready: 1, replicas: 2 }, [anAttempt()], 'Admitted Started -Ready Reachable -Ended'],
    ['running', { startedAt: aNow }, [anAttempt({}, { state: 'lost' })], 'Admitted Started -Ready -Reachable -Ended'],
    ['queued', { startedAt: aNow }, [anAttempt({ state: 'lost' })], '-Admitted Started -Ready ?Reachable -Ended'],
    ['succeeded', over, [ended], 'Admitted Started -Ready ?Reachable Ended'],
    ['stopped', { endedAt: aNow }, [], '-Admitted -Started -Ready ?Reachable Ended'],
  ]
  for (const [state, fields, attempts, expected] of cases)
    assert.equal(said(aRow({ state, ...fields }), attempts), expected, state)
})

test('a condition that does not hold says why', () => {
  const reason = 'no offer has 8 H200'
  const conditions = new Map(conditionsOf(aRow({ state: 'queued', reason }), []).map((one) => [one.type, one]))
  assert.deepEqual([conditions.get('Admitted')?.reason, conditions.get('Admitted')?.message], ['Waiting', reason])
  assert.equal(conditions.get('Reachable')?.message, 'it holds no machine')
  assert.equal(conditions.get('Ready')?.message, '0 of 1 ready')
  const lost = [anAttempt({}, { state: 'lost' }), anAttempt({ number: 2 }, { state: 'lost' })]
  assert.equal(conditionsOf(aRow({ state: 'running' }), lost)[3]?.message, '2 of its leases are lost')
})

const refusal: Refusal = {
  cause: 'capacity',
  text: 'Nothing fits now.',
  frees: 'first ends at 14:20.',
  next: ['isobar ps'],
}
const why = (state: WorkloadState, fields: Partial<ListedWorkload> = {}, attempts: ShownAttempt[] = []) =>
  whyOf({ row: aRow({ state, ...fields }), attempts, plans: [], refusal })

test('why says what waits for what, what would free it, and what to type', () => {
  const { text, cause, next } = why('queued')
  assert.equal(text, 'train (w-1): waiting for a place\nNothing fits now.\nWhat would free it: first ends at 14:20.')
  assert.deepEqual([cause, next], ['capacity', ['isobar ps']])
})

test('why of what cannot make its deadline says how another would, and then how to end this one', () => {
  const later = 'isobar run <file> (with a later deadline in it)'
  const tooLate = { cause: 'deadline', impossible: true, text: 'It cannot end by its deadline.', next: [later] }
  assert.deepEqual(whyOf({ row: aRow(), attempts: [], plans: [], refusal: tooLate }).next, [later, 'isobar stop w-1'])
})

test('why of what does not wait leaves an old refusal out, and tells each attempt, the newest first', () => {
  const attempts = [
    anAttempt({ state: 'lost', reason: 'local/west has not answered' }, { state: 'lost' }),
    anAttempt({ number: 2 }),
  ]
  const { text, cause, refusal: none } = why('running', { sites: ['local/north'] }, attempts)
  const lines = [
    'train (w-1): running on local/north',
    'Attempt 2 running.',
    'Attempt 1 lost: local/west has not answered.',
  ]
  assert.equal(text, lines.join('\n'))
  assert.deepEqual([cause, none], ['running', null])
})

test('why tells attempts that fared alike only once, however many there are', () => {
  const attempts = Array.from({ length: 25 }, (_, i) => anAttempt({ number: i + 1 }))
  const lost = anAttempt({ number: 26, state: 'lost', reason: 'gone' }, { state: 'lost' })
  const lines = why('running', { sites: ['local/west'] }, [...attempts, lost]).text.split('\n')
  assert.deepEqual(lines.slice(1), ['Attempt 26 lost: gone.', 'Attempts 1, 2, 3 and 22 more running.'])
})

test('why of what runs ends with what will keep us from its site before long, and with nothing of other sites', () => {
  const reach = { reach: 'reachable', since: aNow, detail: 'its token ends; renew it' } as const
  const sites = [
    { ...reach, site: 'local/north' },
    { ...reach, site: 'local/west' },
    { ...reach, site: 'local/south', detail: '' },
    { ...reach, site: 'local/away', reach: 'unreachable' as const },
  ]
  const row = aRow({ state: 'running', sites: ['local/west', 'local/south', 'local/away'] })
  const { text } = whyOf({ row, attempts: [], plans: [], refusal: null, sites })
  assert.deepEqual(text.split('\n').slice(1), ['local/west: its token ends; renew it'])
})

test('why says who is ahead, and when it is expected to start', () => {
  const start = { earliest: aNow, at: aNow + 60_000, site: 'local/west', order: 0 }
  const waits = { ...refusal, ahead: ['big', 'bigger'], start }
  const { text, refusal: shown } = whyOf({ row: aRow({ state: 'queued' }), attempts: [], plans: [], refusal: waits })
  assert.deepEqual(text.split('\n').slice(1), [
    'Nothing fits now.',
    'Ahead of it: big and bigger.',
    'What would free it: first ends at 14:20.',
    'It is expected to start between 2026-01-01T00:00:00Z and 2026-01-01T00:01:00Z at local/west; later only if what runs there takes longer than it said.',
  ])
  assert.deepEqual(shown?.lines, text.split('\n').slice(1))
  assert.equal(shown.start?.latest, '2026-01-01T00:01:00.000Z')
})

test('why of what ended before it ever ran names no log', () => {
  assert.deepEqual(why('failed', {}, []).next, ['isobar describe w-1'])
})

test('why ends with the next command in every state', () => {
  const commands: Record<WorkloadState, string> = {
    queued: 'isobar ps',
    held: 'isobar release w-1',
    starting: 'isobar wait w-1',
    running: 'isobar logs -f w-1',
    stopping: 'isobar wait w-1',
    succeeded: 'isobar describe w-1',
    failed: 'isobar logs w-1',
    stopped: 'isobar describe w-1',
  }
  for (const [state, command] of Object.entries(commands))
    assert.deepEqual(
      why(state as WorkloadState, { wants: state === 'stopped' ? 'stop' : 'run', startedAt: aNow }).next,
      [command],
      state,
    ) // a key of the table
  assert.equal(why('running', { wants: 'stop' }).cause, 'stop-asked')
})
