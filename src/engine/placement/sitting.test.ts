import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aJob, aLease, aNow, aProject, aReplica, aService, aSite, aSnapshot, someNodes } from '#test/builders.ts'
import { sit } from './place.ts'

const siteAt = (name: string, gpus: number) =>
  aSite({ name, nodes: someNodes(1, { gpus }), offers: [{ gpus, price: name === 'east' ? 1 : 2 }] })

test('a copy that is gone counts no more where copies are spread', () => {
  const resources = { accelerators: 'H100:1' }
  const service = aService({ replicas: 4, resources, placement: { spread: 'site' } })
  const [first, second, third] = [0, 1, 2].map((replica) => ({
    workload: service,
    replica: aReplica(service, { replica }),
  }))
  assert.ok(first && second && third)
  const plain = aSnapshot({ waiting: [], sites: [siteAt('east', 8), siteAt('west', 8)] })
  const sitting = sit({ snapshot: { ...plain, waiting: [first, second] }, now: aNow })
  const sitesOf = sitting.decisions.map(({ placement }) => placement?.site)
  assert.deepEqual(sitesOf.toSorted(), ['east', 'west'])
  for (const [i, decision] of sitting.decisions.entries()) sitting.stands(decision, `l-${i}`)
  const dear = sitesOf.indexOf('west')
  const [next] = sitting.goOn({ gone: [`l-${dear}`], come: [third] }, aNow + 1)
  assert.equal(next?.placement?.site, 'west', 'the cheaper site has a copy already')
  assert.deepEqual(
    sitting.facts.leases.map(({ site }) => site),
    ['east'],
  )
})

test('who comes and finds no room is told so at once, and the next start is of who came first', () => {
  const resources = { accelerators: 'H100:8' }
  const service = aService({ replicas: 3, resources, name: 'web' })
  const [first, second, third] = [0, 1, 2].map((replica) => ({
    workload: service,
    replica: aReplica(service, { replica }),
  }))
  assert.ok(first && second && third)
  const plain = aSnapshot({ waiting: [], sites: [siteAt('east', 8)] })
  const sitting = sit({ snapshot: { ...plain, waiting: [first] }, now: aNow })
  for (const decision of sitting.decisions) sitting.stands(decision, 'l-0')
  const told = sitting.goOn({ gone: [], come: [first, second] }, aNow + 1)
  assert.deepEqual(
    told.map(({ replica, refusal }) => [replica, refusal?.cause]),
    [[1, 'capacity']],
    'the first is known already',
  )
  const later = sitting.goOn({ gone: ['l-0', 'never-known'], come: [third] }, aNow + 2)
  const started = later.map(({ replica, placement }) => [replica, placement !== null])
  assert.deepEqual(started.toSorted(), [
    [1, true],
    [2, false],
  ])
})

test('where more is held than is offered by now a round does not go on: what leaves may free nothing', () => {
  const job = aJob({ nodes: 1, resources: { accelerators: 'H100:8' } })
  const held = [0, 1, 2].map((i) => aLease({ id: `l-${i}` }))
  const sitting = (available: number) =>
    sit({
      snapshot: aSnapshot({
        waiting: [],
        leases: held,
        sites: [aSite({ offers: [{ gpus: 8, price: 1, available }] })],
      }),
      now: aNow,
    })
  assert.deepEqual([sitting(2).isOpen, sitting(3).isOpen, sitting(4).isOpen], [false, true, true])
  const [told] = sitting(3).goOn({ gone: ['l-0'], come: [{ workload: job, replica: aReplica(job) }] }, aNow + 1)
  assert.ok(told?.placement)
})

const waits = (need: string, priority: number, number = 0) => {
  const name = `${need}-${number}`
  const job = aJob({ name, nodes: 1, resources: { accelerators: 'H100:8' }, priority })
  return { workload: job, replica: aReplica(job), need }
}

/** The needs of which more is to be read once an urgent one has run out, beside another of which so many are left. */
const runOut = (left: number): string[] => {
  const others = Array.from({ length: left }, (_, i) => waits('other', 0, i))
  const sitting = sit({
    snapshot: {
      ...aSnapshot({ waiting: [], sites: [siteAt('east', 8), siteAt('west', 8)] }),
      waiting: [waits('urgent', 1), ...others],
      unread: new Map([
        ['urgent', 1],
        ['other', left],
      ]),
    },
    now: aNow,
  })
  assert.equal(sitting.decisions.filter(({ placement }) => placement).length, 1)
  return sitting.ranOut.map(({ need }) => need)
}

test('when one need has run out, others of which few are left are to be read with it', () => {
  assert.deepEqual(runOut(7), ['urgent', 'other'])
  assert.deepEqual(runOut(8), ['urgent'])
})

test('it is looked at again when a promised start comes, and when somebody has waited long enough to have others leave', () => {
  const resources = { accelerators: 'H100:8' }
  const rank = { rank: 0, node: 'n0', cpuMilli: 1000, memoryMiB: 1024, diskMiB: 0, accelerators: 8 }
  const lease = aLease({ workload: 'w-low', ranks: [rank], priority: 0, kind: 'job', endsAt: aNow + 30_000 })
  const preemption = { within: 'lower-priority', reclaim: 'never', perHour: null } as const
  const facts = { leases: [lease], projects: [aProject({ preemption })], sites: [siteAt('west', 8)] }
  const high = aJob({ resources }, { priority: 5, createdAt: aNow - 10_000 })
  const sitting = sit({ snapshot: aSnapshot({ waiting: [high], ...facts }), now: aNow })
  assert.equal(sitting.decisions[0]?.refusal?.start?.at, aNow + 30_000)
  assert.equal(sitting.looksAgainAt(aNow), aNow + 30_000)
  assert.equal(sitting.looksAgainAt(aNow + 30_000), aNow + 50_000)
  assert.equal(sitting.looksAgainAt(aNow + 50_000), Infinity)
})

test('it is not looked at again for a start that is promised when somebody has left: of that is heard', () => {
  const resources = { accelerators: 'H100:8' }
  const rank = { rank: 0, node: 'n0', cpuMilli: 1000, memoryMiB: 1024, diskMiB: 0, accelerators: 8 }
  const lease = aLease({ ranks: [rank], leaves: true, endsAt: aNow + 5_000 })
  const facts = { leases: [lease], projects: [aProject()], sites: [siteAt('west', 8)] }
  const sitting = sit({ snapshot: aSnapshot({ waiting: [aJob({ resources })], ...facts }), now: aNow })
  assert.equal(sitting.decisions[0]?.refusal?.start?.at, aNow + 5_000)
  assert.equal(sitting.looksAgainAt(aNow), Infinity)
})
