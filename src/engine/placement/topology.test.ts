import assert from 'node:assert/strict'
import { test } from 'node:test'

import { whyPlaced } from '#engine/explain/placed.ts'
import type { Decision } from '#model/plan.ts'
import { aJob, aLease, aNow, aSite, aSnapshot, someNodes } from '#test/builders.ts'

import { check } from './check.ts'
import type { Snapshot } from './facts.ts'
import { place } from './place.ts'

type Job = NonNullable<Parameters<typeof aJob>[0]>

/** Nodes a to l of eight accelerators: a to d in one NVLink domain, e to h in the next of the same block, the rest in another. */
const nodes = someNodes(12, { gpus: 8 }, [4, 8]).map((node, i) => ({ ...node, name: 'abcdefghijkl'.charAt(i) }))
const whole = { accelerators: 'H100:8' }

function decide(facts: Partial<Snapshot> & { waiting: Snapshot['waiting'] }): Decision[] {
  const snapshot = aSnapshot({ sites: [aSite({ nodes })], ...facts })
  const decisions = place({ snapshot, now: aNow })
  assert.deepEqual(check({ snapshot, now: aNow }, decisions), [])
  return decisions
}

const waits = (job: Job): Snapshot['waiting'] => aSnapshot({ waiting: [aJob({ resources: whole, ...job })] }).waiting

/** The nodes of its ranks, or why it waits. */
function told(decision: Decision | undefined): string {
  if (!decision?.placement) return decision?.refusal?.text ?? ''
  return decision.placement.ranks.map(({ node }) => node).join('')
}

const placed = (job: Job, leases: Snapshot['leases'] = []): string => told(decide({ waiting: waits(job), leases })[0])

const on = (node: string, more: Partial<Snapshot['leases'][number]> = {}) =>
  aLease({
    id: `l-${node}`,
    ranks: [{ rank: 0, node, cpuMilli: 96_000, memoryMiB: 1024, diskMiB: 0, accelerators: 8 }],
    ...more,
  })

test('slices stand each in one domain, over several of them', () => {
  const slices = { ranks: 2, within: 'nvlink' as const }
  assert.equal(placed({ nodes: 6, topology: { slices } }, [on('a')]), 'bcefgh')
  assert.match(
    placed({ nodes: 12, topology: { slices } }, [on('a')]),
    /12 nodes with 8 H100, in slices of 2, each in one nvlink/,
  )
})

test('a spread gang has no more ranks in one domain than it says', () => {
  const spread = { within: 'nvlink' as const, most: 2 }
  assert.equal(placed({ nodes: 6, topology: { spread } }), 'abefij')
  assert.match(placed({ nodes: 7, topology: { spread } }), /at most 2 in one nvlink.*there are 6 when all is free/)
})

test('a balanced gang is even over as few domains as hold it', () => {
  assert.equal(placed({ nodes: 6, topology: { within: 'block', balanced: 'nvlink' } }), 'abcefg')
})

test('who has domains to itself comes where nobody is, and nobody comes to it', () => {
  const alone = { nodes: 2, topology: { exclusive: 'nvlink' as const } }
  assert.equal(placed(alone, [on('a'), on('e')]), 'ij')
  const [decision] = decide({ waiting: waits(alone), leases: [on('a'), on('e')] })
  assert.deepEqual(decision?.placement?.beside, { exclusive: 'nvlink' })
  assert.match(whyPlaced(decision), /takes 2 nodes, with no others in the same nvlink, for /)
  const lease = on('i', { beside: { exclusive: 'nvlink' } })
  assert.equal(placed({ nodes: 8 }, [lease]), 'abcdefgh')
  assert.match(placed({ nodes: 9 }, [lease]), /needs 9 nodes with 8 H100; 8 are free/)
})

test('spares stay free in each domain that is used, in later rounds too', () => {
  const job = { nodes: 5, topology: { spares: { count: 1, within: 'nvlink' as const } } }
  const [decision] = decide({ waiting: waits(job) })
  assert.equal(told(decision), 'abcef')
  assert.deepEqual(decision?.placement?.beside, { spares: ['d', 'g'] })
  assert.match(whyPlaced(decision), /takes 5 nodes and keeps 2 spare nodes free for \$5\.00\/h/)
  const lease = { ...on('a'), ...decision.placement, times: 1 }
  assert.equal(placed({ nodes: 5 }, [lease]), 'hijkl')
})

test('roles stand in one domain together, each rank with what its role asks for', () => {
  const roles = [
    { name: 'leader', resources: { cpus: 8, accelerators: 'H100:2' } },
    { name: 'worker', nodes: 3 },
  ]
  const [decision] = decide({
    waiting: waits({ nodes: undefined, roles, topology: { within: 'nvlink' } }),
    leases: [on('f')],
  })
  assert.equal(told(decision), 'dabc')
  assert.deepEqual(
    decision?.placement?.ranks.map(({ accelerators }) => accelerators),
    [2, 8, 8, 8],
  )
  const price = decision.placement.priceMicros
  assert.equal(price, 3_250_000)
})

test('nodes with taints are for those who tolerate them, and labels choose among nodes', () => {
  const marked = nodes.map((node, i) => ({
    ...node,
    ...(i < 4 ? { taints: ['debug-only'] } : {}),
    labels: { rack: i < 8 ? 'r1' : 'r2' },
  }))
  const at = (job: Job) => told(decide({ waiting: waits(job), sites: [aSite({ nodes: marked })] })[0])
  assert.equal(at({ nodes: 4 }), 'efgh')
  assert.equal(at({ nodes: 4, placement: { nodeLabels: { rack: 'r2' } } }), 'ijkl')
  assert.equal(at({ nodes: 8, placement: { nodeLabels: { rack: 'r1' }, tolerations: ['debug-only'] } }), 'abcdefgh')
  assert.match(at({ nodes: 8, placement: { nodeLabels: { rack: 'r1' } } }), /there are 4 when all is free/)
})
