import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Decision } from '#model/plan.ts'
import { aJob, aNow, aReplica } from '#test/builders.ts'
import type { House } from './reconciler.ts'
import { needsAtMost, noteRound, toRead } from './sleepers.ts'

type Waiting = { need: string; priority?: number }

/** A house, and rounds in which nobody of those that are read finds room; each tells the needs that were read. */
function aHouse(): (waiting: readonly Waiting[]) => Set<string> {
  const house = {} as House // only what is remembered of it is used
  const jobs = new Map<string, ReturnType<typeof aJob>>()
  return (waiting) => {
    const { asleep } = toRead(house, aNow)
    const read = waiting.filter(({ need }) => (asleep.get(need) ?? 1) > 0)
    const asked = read.map(({ need, priority = 0 }) => {
      const workload = jobs.get(need) ?? aJob({ name: need, priority }, { id: `w-${need}` })
      jobs.set(need, workload)
      return { workload, replica: aReplica(workload), need }
    })
    const decisions = asked.map(({ workload, replica }): Decision => {
      const nothing = { placement: null, alternatives: [], rejections: [], refusal: null }
      return { workload: workload.id, replica: replica.replica, ...nothing }
    })
    const snapshot = { waiting: asked, unread: new Map(), after: '' } as unknown as Parameters<
      typeof noteRound
    >[1]['snapshot']
    noteRound(house, { snapshot, decisions, more: false, now: aNow })
    return new Set(read.map(({ need }) => need))
  }
}

test('of very many needs each is read again within a bounded number of rounds, and the most urgent in each', () => {
  const count = 3 * needsAtMost
  const waiting = Array.from({ length: count }, (_, i) => ({ need: `n${i}`, priority: i % 100 === 7 ? 5 : 0 }))
  const round = aHouse()
  assert.equal(round(waiting).size, count)
  const since = new Map(waiting.map(({ need }) => [need, 0]))
  let longest = 0
  for (let rounds = 1; rounds <= 20; rounds++) {
    const read = round(waiting)
    assert.equal(read.size, needsAtMost)
    assert.ok(waiting.every(({ need, priority }) => priority === 0 || read.has(need)))
    for (const need of read) {
      longest = Math.max(longest, rounds - (since.get(need) ?? 0))
      since.set(need, rounds)
    }
  }
  assert.ok(Math.min(...since.values()) > 20 - count / (needsAtMost / 2), 'somebody is not read any more')
  assert.ok(longest <= count / (needsAtMost / 2), `somebody was read after ${longest} rounds`)
})

test('a need for which nobody waits any more is forgotten: who comes with it later is new', () => {
  const waiting = Array.from({ length: needsAtMost + 10 }, (_, i) => ({ need: `n${i}` }))
  const round = aHouse()
  round(waiting)
  for (let rounds = 0; rounds < 4; rounds++) round(waiting.slice(0, 10))
  assert.equal(round(waiting).size, waiting.length)
})
