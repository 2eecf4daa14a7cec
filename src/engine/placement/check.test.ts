import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Decision, Placement } from '#model/plan.ts'
import type { Policy } from '#model/policy.ts'
import { aJob, aNow, aProject, aSite, aSnapshot, someNodes } from '#test/builders.ts'
import { check } from './check.ts'
import { place } from './place.ts'

const job = (name: string, spec: Parameters<typeof aJob>[0] = {}) =>
  aJob({ name, nodes: 2, topology: { within: 'block' }, resources: { accelerators: 'H100:4' }, ...spec })

/** Two gangs of two on two sites, and what the checker says once `spoil` has changed the first decision. */
function spoilt(spoil: (placement: Placement) => Partial<Placement>, facts: Parameters<typeof aSnapshot>[0] = {}) {
  const sites = ['east', 'west'].map((name) => aSite({ name, nodes: someNodes(4, { gpus: 8 }, [1, 2]) }))
  const snapshot = aSnapshot({ waiting: [job('a'), job('b')], sites, ...facts })
  const input = { snapshot, now: aNow }
  const [first, ...others] = place(input)
  assert.ok(first?.placement)
  assert.deepEqual(check(input, [first, ...others]), [])
  const decision: Decision = { ...first, placement: { ...first.placement, ...spoil(first.placement) } }
  return check(input, [decision, ...others]).join('; ')
}

const onNodes = (placement: Placement, nodes: string[]) => ({
  ranks: placement.ranks.map((rank, i) => ({ ...rank, node: nodes[i] ?? 'n0' })),
})

const withGpus = (accelerators: number) => (placement: Placement) => ({
  ranks: placement.ranks.map((rank) => ({ ...rank, accelerators })),
})

test('the checker accepts what the engine decides, and names each promise that is broken', () => {
  assert.match(
    spoilt(({ ranks }) => ({ ranks: ranks.slice(1) })),
    /the gang is not whole/,
  )
  assert.match(
    spoilt((placement) => onNodes(placement, ['n0', 'n2'])),
    /not in one block/,
  )
  assert.match(
    spoilt((placement) => onNodes(placement, ['n9', 'n9'])),
    /n9 is no usable node/,
  )
  assert.match(
    spoilt(() => ({ priceMicros: 1 })),
    /pays less than its share/,
  )
  assert.match(
    spoilt(() => ({ priceMicros: 10 ** 9 })),
    /pays more than whole nodes/,
  )
  assert.match(
    spoilt(() => ({ site: 'south' })),
    /goes where nothing is offered/,
  )
  assert.match(spoilt(withGpus(8)), /n0 is overcommitted: accelerators/)
  assert.match(spoilt(withGpus(3)), /lacks its accelerators/)
  const projects = [aProject({ quota: { accelerators: 16 } })]
  assert.match(spoilt(withGpus(8), { projects }), /above its quota of accelerators/)
})

test('the checker finds a replica that is decided twice, or by halves', () => {
  const snapshot = aSnapshot({ waiting: [job('a')], sites: [aSite({ nodes: someNodes(2, { gpus: 8 }, [1, 2]) })] })
  const input = { snapshot, now: aNow }
  const [one] = place(input)
  assert.ok(one)
  assert.match(check(input, [one, one]).join('; '), /decided twice/)
  assert.match(check(input, [{ ...one, placement: null }]).join('; '), /neither placed nor refused/)
  assert.match(check(input, [{ ...one, workload: 'w-x' }]).join('; '), /does not wait/)
})

test('the checker knows which sites a project must not use', () => {
  const sites = [
    aSite({ name: 'east', jurisdictions: ['EU'], nodes: someNodes(2, { gpus: 8 }, [1, 2]) }),
    aSite({ name: 'west', nodes: someNodes(2, { gpus: 8 }, [1, 2]) }),
  ]
  const barred: [Policy, RegExp][] = [
    [{ jurisdictions: ['EU'] }, /jurisdiction is not allowed/],
    [{ sites: ['local/east'] }, /site is not allowed/],
  ]
  for (const [policy, wrong] of barred) {
    const projects = [aProject({ policy })]
    assert.match(
      spoilt(() => ({ site: 'west' }), { projects, sites, waiting: [job('a')] }),
      wrong,
    )
  }
})
