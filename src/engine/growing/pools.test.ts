import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Snapshot } from '#engine/placement/facts.ts'
import { place } from '#engine/placement/place.ts'
import type { NodePool } from '#model/node-pool.ts'
import { aJob, aLease, allWaiting, aNow, aProject, aSite, aSnapshot, someNodes } from '#test/builders.ts'
import { poolNeeds } from './pools.ts'

const pool: NodePool = { name: 'gb200', target: 36, current: 36, most: 72, step: 18, added: 0 }

/** A site of racks of 18 nodes with four accelerators each, whose nodes come from a pool. */
function racks(fields: Partial<NodePool> = {}, count = 2) {
  const nodes = someNodes(count * 18, { gpus: 4, gpu: 'GB200' }).map((node, at) => ({
    ...node,
    path: [`rack-${Math.floor(at / 18)}`, 'site'],
  }))
  const site = aSite({ nodes })
  return { ...site, offers: site.offers.map((offer) => ({ ...offer, pools: [{ ...pool, ...fields }] })) }
}

const aGang = (nodes: number, topology?: object, placement = {}) =>
  aJob({
    name: `gang-${nodes}`,
    nodes,
    resources: { accelerators: 'GB200:4' },
    placement,
    ...(topology && { topology }),
  })

function decide(snapshot: Partial<Snapshot>) {
  const facts = aSnapshot(snapshot)
  const decisions = place({ snapshot: facts, now: aNow })
  const [need] = poolNeeds(facts, decisions)
  return { need, refusal: decisions[0]?.refusal }
}

/** A lease that holds some nodes of a site. */
const held = ({ nodes }: ReturnType<typeof racks>, ...which: number[]) =>
  aLease({
    ranks: which.map((at, rank) => {
      const node = nodes?.[at]?.name ?? assert.fail()
      return { rank, node, cpuMilli: 1000, memoryMiB: 1024, diskMiB: 0, accelerators: 4 }
    }),
  })

test('a gang that is larger than what is there lacks the rest, and waiting may help', () => {
  const { need, refusal } = decide({ waiting: allWaiting(aGang(40)), sites: [racks()] })
  assert.deepEqual([need?.lacks, need?.waiting, need?.idle], [4, ['gang-40'], 36])
  assert.equal(refusal?.impossible, false)
})

test('what no pool can ever hold is not asked for, and is told to be impossible', () => {
  for (const gang of [aGang(73), aGang(19, { within: 'nvlink' })]) {
    const { need, refusal } = decide({ waiting: allWaiting(gang), sites: [racks()] })
    assert.deepEqual([need?.lacks, need?.waiting], [0, []])
    assert.equal(refusal?.impossible, true)
  }
})

test('a gang of one rack lacks all its nodes where no rack has them free, though others have some', () => {
  const site = racks()
  const leases = [held(site, 0, 1, 2, 3, 4, 5, 18, 19, 20, 21, 22, 23)]
  const gang = aGang(16, { within: 'nvlink' })
  const { need } = decide({ waiting: allWaiting(gang), sites: [site], leases })
  assert.deepEqual([need?.lacks, need?.idle], [16, 0])
})

test('who finds room lacks nothing; nodes at work are not idle, and a rack is idle as a whole', () => {
  const site = racks()
  const { need } = decide({ waiting: allWaiting(aGang(4)), sites: [site], leases: [held(site, 0)] })
  assert.deepEqual([need?.lacks, need?.waiting, need?.idle], [0, [], 18])
})

test('what a pool says of nodes that do not come is a part of why somebody waits', () => {
  const hindered = 'Quota Over: quota limit is 36'
  const { refusal } = decide({ waiting: allWaiting(aGang(40)), sites: [racks({ target: 54, hindered })] })
  assert.match(refusal?.text ?? '', /NodePool gb200 has 36 of 54 nodes \(Quota Over: quota limit is 36\)/)
})

test('nothing is asked for who may not have it: by price, by quota, by the sites that it names', () => {
  const gang = aGang(40)
  const cheap = aGang(40, undefined, { maxPrice: '$0.01/h' })
  const elsewhere = aGang(40, undefined, { sites: ['local/elsewhere'] })
  const quota = [aProject({ quota: { accelerators: 8 } })]
  assert.equal(decide({ waiting: allWaiting(gang), sites: [racks()] }).need?.lacks, 4)
  for (const snapshot of [
    { waiting: allWaiting(cheap) },
    { waiting: allWaiting(elsewhere) },
    { waiting: allWaiting(gang), projects: quota },
  ]) {
    const { need } = decide({ ...snapshot, sites: [racks()] })
    assert.deepEqual([need?.lacks, need?.waiting], [0, []])
  }
})
