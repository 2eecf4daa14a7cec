import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Start } from '#model/plan.ts'
import { aJob, aLease, aNow, aProject, aSite, aSnapshot, someNodes } from '#test/builders.ts'

import { checkRounds, type Seen } from './check-rounds.ts'
import { overdueMs, place } from './place.ts'

const hour = 3_600_000
const sites = [aSite({ nodes: someNodes(1, { gpus: 8 }) })]
const job = (name: string, row: Parameters<typeof aJob>[1] = {}) =>
  aJob({ name, resources: { accelerators: 'H100:8' } }, row)
const rank = { rank: 0, node: 'n0', cpuMilli: 96_000, memoryMiB: 1024, diskMiB: 0, accelerators: 8 }
const lease = aLease({
  ranks: [rank],
  endsAt: aNow + hour,
  since: aNow - hour,
  kind: 'job',
  priority: 0,
  graceMs: hour,
})

/** A round of one who waits beside that lease, and what it is told, if that is changed. */
function round(now: number, facts: Parameters<typeof aSnapshot>[0] = {}, start?: Start | null): Seen {
  const snapshot = aSnapshot({ waiting: [job('waits')], sites, leases: [lease], ...facts })
  const input = { snapshot, now }
  const decisions = place(input).map((decision) => {
    const { start: told, ...refusal } = decision.refusal ?? { cause: '', text: '', next: [] }
    const said = start === undefined ? told : start
    return decision.refusal ? { ...decision, refusal: { ...refusal, ...(said && { start: said }) } } : decision
  })
  return { input, decisions }
}

const wrong = (rounds: Seen[]): string => checkRounds(rounds, hour).join('; ')
const later: Start = { earliest: aNow, at: aNow + 2 * hour, site: 'local/west', order: 0 }

test('the checker of rounds finds a start that is put off, promised no more, or not kept', () => {
  assert.equal(wrong([round(aNow), round(aNow + 1), round(aNow + hour, { leases: [] })]), '')
  assert.match(wrong([round(aNow), round(aNow + 1, {}, later)]), /round 1: the start of w-waits 0 is put off/)
  assert.match(wrong([round(aNow), round(aNow + 1, {}, null)]), /promised no more/)
  const [first, second] = [round(aNow), round(aNow + hour, { leases: [] })]
  const other = { ...second, decisions: round(aNow).decisions }
  assert.match(wrong([first, other]), /waits though its start was promised/)
})

test('no start is owed where somebody runs longer than was known, or sites are others than before', () => {
  assert.equal(wrong([round(aNow), round(aNow + hour, {}, null)]), '')
  const smaller = [aSite({ nodes: someNodes(1, { gpus: 8 }).map((node) => ({ ...node, usable: false })) })]
  assert.equal(wrong([round(aNow), round(aNow + 1, { sites: smaller }, null)]), '')
})

test('the checker of rounds finds who waits beyond all bounds', () => {
  const waiting = [job('waits', { createdAt: aNow - overdueMs - 7 * hour })]
  assert.match(wrong([round(aNow, { waiting })]), /w-waits 0 waits beyond all bounds/)
})

test('the checker of rounds finds work that leaves in vain, and those who make each other leave', () => {
  const projects = [aProject({ preemption: { within: 'lower-priority', reclaim: 'never', perHour: null } })]
  const facts = { projects, waiting: [job('waits', { priority: 5 })] }
  const makes = round(aNow, facts)
  assert.equal(makes.decisions[0]?.preempts?.length, 1)
  const leaving = [{ ...lease, leaves: true }]
  assert.match(wrong([makes, { ...makes, input: round(aNow, { ...facts, leases: leaving }).input }]), /preempts again/)
  const empty = round(aNow + 1, { ...facts, leases: [] })
  assert.equal(wrong([makes, empty]), '')
  assert.match(wrong([makes, { ...empty, decisions: round(aNow + 1).decisions }]), /all have left for w-waits 0/)
  const back = job('other', { id: 'w-other', priority: 9 })
  const mine = { ...lease, workload: 'w-waits', id: 'l-1' }
  assert.match(
    wrong([makes, empty, round(aNow + 2, { projects, waiting: [back], leases: [mine] })]),
    /w-other preempts w-waits, for which it had to leave/,
  )
})
