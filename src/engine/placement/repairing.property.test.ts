import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { KeptFor, LiveLease } from '#model/live-lease.ts'
import type { Decision, Start } from '#model/plan.ts'
import type { Kept } from '#model/replica.ts'
import type { Workload } from '#model/workload.ts'
import { aJob, aLease, aNow, aProject, aReplica, aSite, aSnapshot, someNodes } from '#test/builders.ts'

import { check } from './check.ts'
import type { Snapshot } from './facts.ts'
import { place } from './place.ts'

// Rounds in which nodes are lost, as the control plane would live through them.

const job = fc.record({
  nodes: fc.integer({ min: 1, max: 3 }),
  gpus: fc.constantFrom(4, 8, 8),
  within: fc.constantFrom('nvlink' as const, 'site' as const),
  spares: fc.boolean(),
  priority: fc.constantFrom(0, 0, 5),
  round: fc.nat(8),
  lasts: fc.integer({ min: 6, max: 20 }),
})
/** A node is lost: out of use for so many rounds, or not even told of, or as good as before (an agent that died). */
const loss = fc.record({
  round: fc.integer({ min: 2, max: 25 }),
  node: fc.nat(7),
  away: fc.constantFrom(0, 3, 30),
  isTold: fc.boolean(),
})
const terms = fc.record({ preempts: fc.boolean(), movesPerHour: fc.constantFrom(0, 3) })

type Story = typeof job extends fc.Arbitrary<infer T> ? T : never
type Loss = typeof loss extends fc.Arbitrary<infer T> ? T : never
type Terms = typeof terms extends fc.Arbitrary<infer T> ? T : never
/** `isStopped`: when it has left, it waits again. */
type Held = LiveLease & { left: number; isStopped?: boolean }

const nodes = someNodes(8, { gpus: 8 }, [4])
const seen = { repaired: 0, anew: 0, told: 0 }

/** A house in memory: what waits, what is held, and what is kept for whom. */
class House {
  readonly waiting = new Map<string, { workload: Workload; kept: Kept | null; start: Start | null }>()
  readonly leases = new Map<string, Held>()
  readonly told = new Map<string, string>()
  readonly preemptions: NonNullable<Snapshot['preemptions']> = []
  readonly #losses: readonly Loss[]
  readonly #terms: Terms

  constructor(losses: readonly Loss[], given: Terms) {
    this.#losses = losses
    this.#terms = given
  }

  /** The nodes of which the site tells in a round. */
  #nodesAt(round: number) {
    const lost = this.#losses.filter((one) => one.round <= round && round < one.round + one.away)
    return nodes.flatMap((node, i) => {
      const one = lost.find((each) => each.node === i)
      return !one ? [node] : one.isTold ? [{ ...node, usable: false }] : []
    })
  }

  snapshot(round: number): Snapshot {
    const within = this.#terms.preempts ? 'lower-priority' : 'never'
    const asked = [...this.waiting.values()].map(({ workload, kept, start }) => ({
      workload,
      replica: aReplica(workload, { kept }),
      start,
    }))
    return aSnapshot({
      waiting: asked,
      leases: [...this.leases.values()],
      sites: [aSite({ nodes: this.#nodesAt(round) })],
      projects: [aProject({ preemption: { within, reclaim: 'never', perHour: null } })],
      preemptions: this.preemptions,
    })
  }

  decide(round: number, now: number): Decision[] {
    const input = { snapshot: this.snapshot(round), now, movesPerHour: this.#terms.movesPerHour }
    const decisions = place(input)
    assert.deepEqual(check(input, decisions), [])
    return decisions
  }

  /** Ranks on a node are lost with it: the gang waits again, and its other nodes are kept. */
  lose(node: string, workloadOf: (id: string) => Workload): void {
    for (const [id, lease] of this.leases) {
      const lost = lease.ranks.filter((rank) => rank.node === node).map(({ rank }) => rank)
      if (lost.length === 0 || lease.leaves || lease.keptFor) continue
      const workload = workloadOf(lease.workload)
      const keeps = lost.length < lease.ranks.length || workload.spec.topology?.spares !== undefined
      const keptFor: KeptFor | null = keeps ? { replica: 0, lost, isGone: false } : null
      this.leases.set(id, { ...lease, keptFor, leaves: !keeps, left: 2 })
      this.waiting.set(lease.workload, { workload, kept: keeps ? { lease: lease.id, lost } : null, start: null })
    }
  }

  /** Time goes by: what ends is gone, but for what is kept. */
  pass(workloadOf: (id: string) => Workload): void {
    for (const [id, lease] of this.leases) {
      if (--lease.left > 0) continue
      if (lease.keptFor) this.leases.set(id, { ...lease, keptFor: { ...lease.keptFor, isGone: true } })
      else this.leases.delete(id)
      if (lease.isStopped)
        this.waiting.set(lease.workload, { workload: workloadOf(lease.workload), kept: null, start: null })
    }
  }

  carryOut(decision: Decision, now: number, lasts: number): void {
    const { workload: id, placement, refusal, lets, repair, preempts = [], moves = false } = decision
    const asked = this.waiting.get(id)
    if (!asked) return
    const kept = [...this.leases.values()].find((lease) => lease.id === asked.kept?.lease)
    if (lets) {
      seen.anew++
      assert.ok(!this.told.has(id), 'who was told that it comes back does')
      this.waiting.set(id, { ...asked, kept: null, start: null })
      if (kept?.keptFor?.isGone) this.leases.delete(kept.id)
      else if (kept) this.leases.set(kept.id, { ...kept, keptFor: null, leaves: true })
    } else if (placement) {
      if (repair) seen.repaired++
      if (kept) this.leases.delete(kept.id)
      this.waiting.delete(id)
      this.told.delete(id)
      const lease = { ...placement, id: `l-${id}-${now}`, workload: id, priority: asked.workload.priority }
      const known = { kind: 'job' as const, since: now, leaves: false, graceMs: 20_000, movable: true, left: lasts }
      this.leases.set(lease.id, { ...aLease(lease), ...known })
    } else {
      if (repair) this.told.set(id, JSON.stringify(repair))
      if (repair) seen.told++
      this.waiting.set(id, { ...asked, start: refusal?.start ?? null })
    }
    for (const { lease: victim } of preempts) {
      const lease = this.leases.get(victim)
      assert.ok(lease)
      this.leases.set(victim, { ...lease, leaves: true, left: 2, endsAt: now + 20_000, isStopped: true })
      this.preemptions.push({ by: id, victim: lease.workload, project: 'default', at: now, isMove: moves })
    }
  }
}

function live(stories: readonly Story[], losses: readonly Loss[], given: Terms): void {
  const house = new House(losses, given)
  const workloads = new Map(
    stories.map(({ nodes: size, gpus, within, spares, priority, round }, i) => {
      const topology = { within, ...(spares && { spares: { count: 1, within: 'nvlink' as const } }) }
      const row = { id: `w-${i}`, priority, createdAt: aNow + round * 10_000 + i }
      return [`w-${i}`, aJob({ nodes: size, resources: { accelerators: `H100:${gpus}` }, topology }, row)]
    }),
  )
  const workloadOf = (id: string): Workload => workloads.get(id) ?? aJob()
  for (let round = 0; round < 200; round++) {
    const now = aNow + round * 10_000
    for (const [i, story] of stories.entries())
      if (story.round === round)
        house.waiting.set(`w-${i}`, { workload: workloadOf(`w-${i}`), kept: null, start: null })
    const news = losses.filter((one) => one.round === round)
    for (const { node } of news) house.lose(nodes[node]?.name ?? '', workloadOf)
    // Another node went out of use: what was told may not be so any more.
    if (news.length > 0 || losses.some((one) => one.round + one.away === round)) house.told.clear()
    for (const decision of house.decide(round, now)) {
      const { lasts = 1 } = stories[Number(decision.workload.slice(2))] ?? {}
      house.carryOut(decision, now, lasts)
    }
    house.pass(workloadOf)
    if (round > 30 && house.waiting.size + house.leases.size === 0) break
  }
  assert.deepEqual([...house.waiting.keys()], [], 'all run in the end')
}

test('whatever is lost, preempted and moved: who is told that it comes back does, and all run in the end', () => {
  const some = fc.array(job, { minLength: 2, maxLength: 7 })
  const lost = fc.array(loss, { minLength: 1, maxLength: 5 })
  fc.assert(fc.property(some, lost, terms, live), { seed: 12, numRuns: 120, endOnFailure: true })
  assert.ok(seen.repaired > 40 && seen.anew > 20 && seen.told > 20, JSON.stringify(seen))
})
