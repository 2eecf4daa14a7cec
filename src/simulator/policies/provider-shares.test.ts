import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { aFleet, aReplay, ran, someJobs } from '#simulator/builders.ts'
import { isobarScheduler } from '#simulator/policies/isobar.ts'
import { Replay } from '#simulator/replay/replay.ts'
import type { MakeScheduler } from '#simulator/replay/scheduler.ts'
import { plainProject } from '#simulator/scenario/projects.ts'
import { quiet } from '#simulator/scenario/scenario.ts'

const fleet = aFleet({ count: 4 }, { count: 4, site: 'aws/us', provider: 'aws', priceMicros: 5_000_000 })
const a = { project: 'a' }
const half = [plainProject('a', { policy: { maxProviderShare: 0.5 } })]

test('a provider has no more of the nodes of a project than its share, however cheap it is', () => {
  const jobs = someJobs([0, 8, 10, a], [0, 8, 10, a], [0, 8, 10, a], [0, 8, 10, a])
  const { replay } = aReplay({ fleet, policy: 'isobar', projects: half, jobs })
  replay.step()
  assert.deepEqual(
    replay.records.map(({ spots }) => spots[0]),
    [0, 4, 1, 5],
  )
})

test('a share of nothing at any provider can never start', () => {
  const none = [plainProject('a', { policy: { maxProviderShare: 0 } })]
  const { records } = ran({ fleet, policy: 'isobar', projects: none, jobs: someJobs([0, 8, 10, a]) })
  assert.equal(records[0]?.refused?.refusal.cause, 'provider-share')
  assert.match(records[0]?.refused?.refusal.text ?? '', /may have 0% at the most/)
})

test('at each start its provider had less than its share, and who would have had less does not wait', () => {
  const amounts = fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 30 })), {
    minLength: 4,
    maxLength: 16,
  })
  fc.assert(
    fc.property(amounts, fc.constantFrom(0.3, 0.5, 0.7), (list, share) => {
      const jobs = someJobs(
        ...list.map(([at, nodes, lasts]) => [at, nodes * 8, lasts, a] as [number, number, number, object]),
      )
      const held = new Map<number, { provider: string; nodes: number }>()
      const of = (provider?: string) =>
        [...held.values()].reduce((sum, one) => (provider && one.provider !== provider ? sum : sum + one.nodes), 0)
      const may = (provider: string, nodes: number) => of(provider) < share * (of() + nodes)
      const free = [4, 4]
      const replay = replayOf({
        jobs,
        share,
        starts(index, nodes, group) {
          const provider = fleet.groups[group]?.provider ?? ''
          assert.ok(may(provider, nodes), `job ${index} goes to ${provider}`)
          held.set(index, { provider, nodes })
          free[group] = (free[group] ?? 0) - nodes
        },
        leaves(index) {
          const group = held.get(index)?.provider === 'aws' ? 1 : 0
          free[group] = (free[group] ?? 0) + (held.get(index)?.nodes ?? 0)
          held.delete(index)
        },
      })
      while (replay.step()) {
        const waiting = replay.records.filter(({ state }) => state === 'waiting')
        const room = (group: number, nodes: number) => (free[group] ?? 0) >= nodes
        // Promises may keep others from nodes; whoever waits alone is promised nothing that it cannot have now.
        if (waiting.length === 1)
          for (const { job } of waiting)
            for (const [group, { provider }] of fleet.groups.entries())
              assert.ok(
                !(room(group, job.amount / 8) && may(provider, job.amount / 8)),
                `${job.id} could go to ${provider}`,
              )
      }
      assert.ok(replay.records.every(({ state }) => state === 'ended'))
    }),
    { seed: 15, numRuns: 100 },
  )
})

type Told = {
  jobs: ReturnType<typeof someJobs>
  share: number
  starts: (index: number, nodes: number, group: number) => void
  leaves: (index: number) => void
}

function replayOf({ jobs, share, starts, leaves }: Told): Replay {
  const scheduler: MakeScheduler = (floor, ...more) => {
    const inner = isobarScheduler(floor, ...more)
    return {
      name: 'isobar',
      keepsTerms: true,
      waits: (record, now) => inner.waits(record, now),
      left(record, now) {
        leaves(record.index)
        inner.left(record, now)
      },
      decide: (now, act) =>
        inner.decide(now, {
          ...act,
          start(record, spots) {
            starts(record.index, spots.length / 2, floor.groupOf(spots[0] ?? 0).number)
            act.start(record, spots)
          },
        }),
    }
  }
  const projects = [plainProject('a', { policy: { maxProviderShare: share } })]
  return new Replay({ fleet, jobs, scheduler, scenario: quiet, projects, seed: 1, watched: 'always' })
}
