import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { drawOf } from '#kit/random.ts'
import type { SpotRun, Try } from '#model/spot.ts'
import { aJob, aLease, aNow, aReplica, aSite, aSnapshot } from '#test/builders.ts'

import { wayBackHolds } from './check-going-back.ts'
import { check } from './check.ts'
import { goBack } from './going-back.ts'
import { place } from './place.ts'

const minute = 60_000
const [spotMicros, lastingMicros] = [1_000_000, 3_000_000]

/** A job on a drawn market: all in minutes. Zones come and go; some show whether they have capacity, others refuse. */
type Drawn = {
  work: number
  slack: number
  every: number
  start: number
  up: number
  down: number
  zones: number
  shows: boolean
  seed: number
}

const drawn = fc.record<Drawn>({
  work: fc.integer({ min: 20, max: 240 }),
  slack: fc.integer({ min: 6, max: 240 }),
  every: fc.constantFrom(1, 10, 45),
  start: fc.integer({ min: 0, max: 5 }),
  up: fc.constantFrom(8, 40, 400),
  down: fc.constantFrom(8, 60),
  zones: fc.integer({ min: 1, max: 2 }),
  shows: fc.boolean(),
  seed: fc.nat(1000),
})

/** `goneAt`: it is told to stop, and has left by then. */
type Holds = { tier: string; site: string; since: number; runs: number; goneAt?: number }

/** In minutes: so often it is looked whether it goes back to spot capacity, and so long it takes to leave for it. */
const [lookEvery, leavesFor] = [10, 2]

/** A job in its market, minute by minute, placed by the engine each time that it has to be. */
class Life {
  readonly runs: SpotRun[] = []
  readonly tries: Try[] = []
  costMicros = 0
  /** When it went back to spot capacity. */
  readonly backs: number[] = []
  /** Minutes of work that is saved. */
  #saved = 0
  #losses = 0
  #avoid: Record<string, number> = {}
  #lookAt = 0
  #holds: Holds | null = null
  readonly #drawn: Drawn
  readonly #job: ReturnType<typeof aJob>
  readonly #market: boolean[][]
  readonly #movesPerHour: number

  /** Where work is moved it begins on on-demand capacity, as where spot capacity came later. */
  constructor(given: Drawn, movesPerHour = 0) {
    this.#drawn = given
    this.#movesPerHour = movesPerHour
    if (movesPerHour > 0) this.#holds = { tier: 'on-demand', site: 'z0', since: 0, runs: -1 }
    const { work, slack, start, every } = given
    this.#job = aJob(
      {
        duration: { expected: `${work}m` },
        checkpoint: { every: `${every}m` },
        deadline: new Date(aNow + (work + start + slack) * minute).toISOString(),
      },
      { createdAt: aNow },
    )
    this.#market = Array.from({ length: given.zones }, (_, zone) => marketOf(given, zone))
  }

  /** In how many minutes it has ended; Infinity if not by its deadline. */
  run(): number {
    const { work, slack, start } = this.#drawn
    for (let at = 0; at <= work + start + slack; at++) {
      if (this.#lives(at)) return at
      if (!this.#holds && at >= this.#lookAt) this.#place(at)
      if (this.#holds && at % lookEvery === 0) this.#goBack(at, this.#holds)
    }
    return Infinity
  }

  /** What a minute brought to what it holds; true when all its work is done. */
  #lives(at: number): boolean {
    const { work, start, every } = this.#drawn
    const holds = this.#holds
    if (!holds) return false
    this.costMicros += (holds.tier === 'spot' ? spotMicros : lastingMicros) / 60
    if (holds.goneAt !== undefined) {
      if (at >= holds.goneAt) this.#holds = null
      return false
    }
    const worked = Math.max(0, at - holds.since - start)
    if (this.#saved + worked >= work) return true
    if (holds.tier !== 'spot' || this.#isUp(holds.site, at)) return false
    const run = this.runs[holds.runs]
    if (run) this.runs[holds.runs] = { ...run, until: aNow + at * minute, taken: true }
    this.#saved += Math.floor(worked / every) * every
    if (worked > 0) this.tries.push({ workload: this.#job.id, ranMs: worked * minute, startMs: start * minute })
    this.#losses += 1
    this.#holds = null
    this.#lookAt = at + 1 // until it is known
    return false
  }

  #isUp = (name: string, at: number): boolean => this.#market[Number(name.slice(1))]?.[at] === true

  /** Lets it leave on-demand capacity where the engine says so; what it did since its last checkpoint is lost. */
  #goBack(at: number, holds: Holds): void {
    const { start, every } = this.#drawn
    const worked = at - holds.since - start
    if (holds.tier === 'spot' || holds.goneAt !== undefined || worked <= 0 || this.#movesPerHour === 0) return
    const now = aNow + at * minute
    const own = { workload: this.#job.id, ranMs: worked * minute, startMs: start * minute }
    const lease = {
      workload: this.#job.id,
      site: holds.site,
      shape: '16cpu',
      priceMicros: lastingMicros,
      movable: true,
    }
    const backs = this.backs.map((minutes) => ({ by: this.#job.id, at: aNow + minutes * minute }))
    const snapshot = {
      ...aSnapshot({ sites: this.#sitesAt(at), spot: { runs: this.runs, tries: [...this.tries, own] } }),
      running: [{ workload: this.#job, replica: aReplica(this.#job, { losses: this.#losses }) }],
      leases: [aLease({ ...lease, since: aNow + holds.since * minute, leaves: false })],
      preemptions: backs.map((back) => ({ ...back, victim: back.by, project: 'default', isMove: true })),
    }
    const input = { snapshot, now, movesPerHour: this.#movesPerHour }
    const decision = goBack(input)
    if (!decision) return
    assert.deepEqual([...wayBackHolds(input, decision)], [])
    this.backs.push(at)
    this.tries.push(own)
    this.#saved += Math.floor(worked / every) * every
    this.#holds = { ...holds, goneAt: at + leavesFor }
  }

  #sitesAt(at: number): ReturnType<typeof aSite>[] {
    const { zones, shows } = this.#drawn
    return Array.from({ length: zones }, (_, zone) => {
      const spot = { tier: 'spot' as const, price: 1, divisible: false }
      const available = !shows || this.#isUp(`z${zone}`, at) ? 1 : 0
      const lasting = { tier: 'on-demand' as const, price: 3, divisible: false }
      return aSite({
        name: `z${zone}`,
        offers: zone === 0 ? [{ ...spot, available }, lasting] : [{ ...spot, available }],
      })
    })
  }

  #place(at: number): void {
    const now = aNow + at * minute
    const sites = this.#sitesAt(at)
    const replica = aReplica(this.#job, { losses: this.#losses, avoid: this.#avoid })
    const waiting = [{ workload: this.#job, replica }]
    const input = {
      snapshot: aSnapshot({ waiting, sites, spot: { runs: this.runs, tries: this.tries } }),
      now,
      movesPerHour: this.#movesPerHour,
    }
    const decisions = place(input)
    assert.deepEqual(check(input, decisions), [])
    const [{ placement = null, deadline }] = decisions as [(typeof decisions)[number]]
    this.#lookAt = Math.max(at + 1, Math.ceil(((deadline?.again ?? now) - aNow) / minute))
    if (Object.values(this.#avoid).some((until) => until > now)) this.#lookAt = at + 1
    if (!placement) return
    const { tier, site } = placement
    const run = { site: `local/${site}`, shape: '16cpu', from: now, until: null, taken: false }
    if (tier === 'spot' && !this.#isUp(site, at)) {
      // It is refused, and its whole site is left alone for a while.
      this.runs.push({ ...run, until: now, taken: true })
      const key = `local/${site}`
      this.#avoid = { ...this.#avoid, [key]: now + (this.#avoid[key] === undefined ? 1 : 5) * minute }
      this.#lookAt = at + 1
      return
    }
    this.#holds = { tier, site, since: at, runs: tier === 'spot' ? this.runs.push(run) - 1 : -1 }
  }
}

function marketOf({ up, down, seed, work, slack, start }: Drawn, zone: number): boolean[] {
  let isUp = true
  return Array.from({ length: work + slack + start + 1 }, (_, at) => {
    if (drawOf(seed, zone, at) < 1 / (isUp ? up : down)) isUp = !isUp
    return isUp
  })
}

test('whatever is lost, the deadline is kept, and what lasts could always be in time', () => {
  let [paid, lasting] = [0, 0]
  fc.assert(
    fc.property(drawn, (given) => {
      const life = new Life(given)
      const { work, slack, start } = given
      assert.ok(life.run() <= work + slack + start, 'it missed its deadline')
      const alone = ((work + start) * lastingMicros) / 60
      // Beyond what lasting capacity alone costs it pays no more than for the time to spare on spot capacity.
      assert.ok(life.costMicros <= alone + (slack * spotMicros) / 60 + 1)
      paid += life.costMicros
      lasting += alone
    }),
    { seed: 15, numRuns: 16 },
  )
  assert.ok(paid < 0.9 * lasting, `it paid ${paid / lasting} of what lasting capacity alone costs`)
})

test('who goes back to spot capacity keeps its deadline too, and does so once in an hour at the most', () => {
  let backs = 0
  fc.assert(
    fc.property(drawn, (given) => {
      const life = new Life({ ...given, slack: given.slack + 60 }, 4)
      const end = life.run()
      assert.ok(end < Infinity, 'it missed its deadline')
      assert.ok(
        life.backs.every((at, i) => at - (life.backs[i - 1] ?? -Infinity) >= 60),
        `it went back at ${life.backs}`,
      )
      backs += life.backs.length
    }),
    { seed: 71, numRuns: 16 },
  )
  assert.ok(backs > 0, 'nobody went back')
})
