import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createCell } from '#engine/cell/cell.ts'
import { planOf } from '#engine/cell/plan.ts'
import { createHeap } from '#kit/heap.ts'

import { checkLine, type Happened } from './check-line.ts'
import { Line } from './line.ts'
import { createQuotaTree } from './quota.ts'
import { createShares } from './share.ts'

import type { GangRequest } from '#engine/cell/ask.ts'
import type { Amounts, QuotaNode } from './quota.ts'
import type { Option, Request } from './request.ts'

const overdueMs = 60
const aPlan = (racks: number[]) =>
  planOf(
    racks.flatMap((count, rack) =>
      Array.from({ length: count }, (_, i) => ({
        name: `n${rack}-${i}`,
        path: [`rack ${rack}`],
        nodeClass: { shape: 'x4', accelerators: 4, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 },
      })),
    ),
  ).plan
const plans = [aPlan([3, 2]), aPlan([2])]
const quotas: QuotaNode[] = [
  { name: 'lab', parent: null, nominal: {}, borrowing: {}, lending: {} },
  { name: 'a', parent: 'lab', nominal: { gpu: 10 }, borrowing: {}, lending: {} },
  { name: 'b', parent: 'lab', nominal: { gpu: 8 }, borrowing: { gpu: 6 }, lending: { gpu: 4 } },
  { name: 'c', parent: null, nominal: { gpu: 20 }, borrowing: {}, lending: {} },
]

type Made = {
  wait: number
  project: string
  priority: number
  gang: GangRequest
  cells: number[]
  /** What it would also take in the first cell. */
  other: GangRequest | null
  lastsMs: number
}

const gangs: GangRequest[] = [
  ...[1, 2, 4].map((accelerators) => ({ roles: [{ size: { accelerators }, ranks: 1 }] })),
  { roles: [{ size: { accelerators: 4 }, ranks: 2 }] },
  { roles: [{ size: { accelerators: 2 }, ranks: 3 }], within: { level: 1 } },
  { roles: [{ size: { accelerators: 4 }, ranks: 2 }], within: { level: 1 } },
]
const lonely: GangRequest = { roles: [{ size: { accelerators: 4 }, ranks: 2 }], within: { level: 1 }, exclusive: 1 }
const made = (kinds: GangRequest[], knows = true): fc.Arbitrary<Made[]> =>
  fc.array(
    fc.record({
      wait: fc.integer({ min: 0, max: 5 }),
      project: fc.constantFrom('a', 'b', 'c'),
      priority: fc.constantFrom(0, 0, 1),
      gang: fc.constantFrom(...kinds),
      cells: fc.constantFrom([0], [0, 1], [1, 0]),
      other: fc.constantFrom(null, null, ...gangs),
      lastsMs: knows ? fc.integer({ min: 1, max: 40 }) : fc.constantFrom(5, 20, Infinity),
    }),
    { minLength: 1, maxLength: 40 },
  )

const optionOf = (gang: GangRequest, cell: number): Option => {
  const gpu = gang.roles.reduce((sum, { size, ranks }) => sum + (size.accelerators ?? 0) * ranks, 0)
  return { cell, gang, amounts: { gpu } }
}

type Waits = {
  now: number
  line: Line
  waiting: Request[]
  running: { request: Request; option: Option; ranks: number[]; ends: number }[]
}

/** Plays all that comes until everybody has run. Those whose end nobody knows end after 30. */
function played(
  all: Made[],
  look: (waits: Waits) => void = () => {},
  saysRoom = true,
): { history: Happened[]; line: Line } {
  const shares = createShares({
    nodes: quotas.map((node) => ({ ...node, weight: 1 })),
    capacity: { gpu: 28 },
    halfLifeMs: 50,
  })
  const line = new Line({ cells: plans.map(createCell), quotas, shares, overdueMs, saysRoom })
  const history: Happened[] = []
  const ends = createHeap<{ at: number; id: string }>((a, b) => a.at < b.at || (a.at === b.at && a.id < b.id))
  const [waiting, running] = [new Map<string, Request>(), new Map<string, Waits['running'][number]>()]
  let arrival = 0
  const coming = all.map(({ wait, project, priority, gang, cells, other, lastsMs }, i): Request => {
    const key = JSON.stringify([project, priority, gang, cells, other, lastsMs > 20])
    const options = cells.map((cell) => optionOf(gang, cell))
    if (other) options.push(optionOf(other, 0))
    const want = { key, project, priority, options }
    return { id: `r${i}`, want, since: (arrival += wait), lastsMs }
  })
  for (let next = 0; next < coming.length || ends.size > 0;) {
    const now = Math.min(coming[next]?.since ?? Infinity, ends.peek()?.at ?? Infinity)
    for (let end = ends.peek(); end && end.at <= now; end = ends.peek()) {
      ends.pop()
      running.delete(end.id)
      line.ended(end.id, now)
      history.push({ at: now, ended: end.id })
    }
    for (let one = coming[next]; one && one.since <= now; one = coming[++next]) {
      waiting.set(one.id, one)
      line.submit(one)
      history.push({ at: now, submitted: one })
    }
    for (const decision of line.turn(now)) {
      if ('refused' in decision) continue
      const request = waiting.get(decision.id)
      const option = request?.want.options[decision.option]
      if (!request || !option) throw new Error(`${decision.id} does not wait for that`)
      waiting.delete(decision.id)
      const at = now + (request.lastsMs === Infinity ? 30 : request.lastsMs)
      running.set(decision.id, { request, option, ranks: decision.ranks, ends: now + request.lastsMs })
      ends.push({ at, id: decision.id })
      history.push({ at: now, started: decision.id, option: decision.option, ranks: decision.ranks })
    }
    for (const { request, at } of line.reservations()) history.push({ at: now, promised: request.id, by: at })
    look({ now, line, waiting: [...waiting.values()], running: [...running.values()] })
  }
  assert.equal(waiting.size, 0)
  return { history, line }
}

test('no node is used twice, gangs are whole, quotas, rows and promises are kept, and nobody waits beyond a bound', () => {
  fc.assert(
    fc.property(made([...gangs, lonely]), (all) => {
      const { history } = played(all)
      assert.deepEqual(checkLine(history, { plans, quotas, overdueMs }), [])
      assert.equal(history.filter((event) => 'started' in event).length, all.length)
    }),
    { seed: 6, numRuns: 400 },
  )
})

test('who is refused without a word of the room there is starts, and is promised, where and when it would be with one', () => {
  const whole = [1, 2, 3].map((ranks): GangRequest => ({ roles: [{ size: { whole: true }, ranks }] }))
  fc.assert(
    fc.property(made([...gangs, ...whole, lonely]), (all) => {
      assert.deepEqual(played(all, () => {}, false).history, played(all).history)
    }),
    { seed: 9, numRuns: 300 },
  )
})

test('where nobody knows when who runs will end, all still run once, and none is passed for good', () => {
  fc.assert(
    fc.property(made(gangs, false), (all) => {
      const { history } = played(all)
      const bounded = history.map((event) =>
        'submitted' in event ? { ...event, submitted: { ...event.submitted, lastsMs: 30 } } : event,
      )
      assert.deepEqual(
        checkLine(
          bounded.filter((event) => !('promised' in event)),
          { plans, quotas, overdueMs },
        ),
        [],
      )
      assert.equal(history.filter((event) => 'started' in event).length, all.length)
    }),
    { seed: 7, numRuns: 200 },
  )
})

test('after a turn nobody sleeps who would be placed if asked now, and a second turn asks nobody', () => {
  fc.assert(
    fc.property(made(gangs), (all) => {
      played(all, (waits) => {
        const seen = new Set<string>()
        for (const request of waits.waiting) {
          if (seen.has(request.want.key)) continue
          seen.add(request.want.key)
          assert.equal(mayStart(request, waits), false, `${request.id} sleeps, but would be placed`)
        }
        const { asked } = waits.line
        assert.deepEqual(waits.line.turn(waits.now), [])
        assert.equal(waits.line.asked, asked)
      })
    }),
    { seed: 8, numRuns: 400 },
  )
})

const rootOf = (project: string) => (project === 'c' ? 'c' : 'lab')

/** The same by definition: what is free is counted from who runs, and quotas are added up anew. */
const mayStart = (request: Request, waits: Waits): boolean =>
  request.want.options.some((option) => hasQuota(request, option, waits) && hasRoom(request, option, waits))

type Use = { project: string; amounts: Amounts }

function hasQuota(request: Request, { amounts }: Option, { now, line, running }: Waits): boolean {
  const { project } = request.want
  const ends = now + request.lastsMs
  const fits = (uses: Use[]): boolean => {
    const tree = createQuotaTree(quotas)
    for (const use of uses) tree.add(use.project, use.amounts)
    return tree.shortage(project, amounts) === null
  }
  const useOf = ({ request: { want }, option }: Waits['running'][number]) => ({ ...option, project: want.project })
  if (!fits(running.map(useOf))) return false
  const promised = line.reservations().map((one) => ({ ...one, use: { ...one.way, project: one.owner.want.project } }))
  return promised.every(({ at, request: owner, use, counted }) => {
    if (owner.id === request.id || ends <= at || rootOf(use.project) !== rootOf(project)) return true
    const claims = promised.filter((one) => counted.has(one.request.id) && one.request.id !== request.id)
    const then = running.filter((one) => one.ends > at)
    return fits([use, ...claims.map((one) => one.use), ...then.map(useOf)])
  })
}

function hasRoom(request: Request, { cell, gang }: Option, { now, line, running }: Waits): boolean {
  const plan = plans[cell]
  if (!plan) return false
  const shut = line
    .reservations()
    .filter(({ request: owner, way, at }) => way.cell === cell && owner.id !== request.id && now + request.lastsMs > at)
  const free = Array.from(plan.classOf, (_, node): number => (shut.some(({ nodes }) => nodes.includes(node)) ? 0 : 4))
  for (const { option, ranks } of running)
    if (option.cell === cell)
      for (const node of ranks) free[node] = (free[node] ?? 0) - (option.gang.roles[0]?.size.accelerators ?? 0)
  const { size, ranks } = gang.roles[0] ?? { size: {}, ranks: 0 }
  const inRack = new Map<number, number>()
  free.forEach((left, node) => {
    const rack = gang.within ? (plan.domains[0]?.[node] ?? 0) : 0
    inRack.set(rack, (inRack.get(rack) ?? 0) + Math.max(0, Math.floor(left / (size.accelerators ?? 1))))
  })
  return Math.max(...inRack.values()) >= ranks
}
