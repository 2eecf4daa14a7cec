import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { askOf, type GangRequest } from '#engine/cell/ask.ts'
import { createCell } from '#engine/cell/cell.ts'
import { take } from '#engine/cell/take.ts'

import { Spec } from './spec.ts'
import { topologyRules } from './topology-rules.ts'
import type { Topology } from './topology.ts'

const written = (topology: object, nodes = 8, more: object = {}): Spec =>
  Spec.parse({ kind: 'job', name: 'a', run: 'x', nodes, topology, ...more })

/** The only thing wrong, as `path | message | fix`. */
function told(...of: Parameters<typeof written>): string {
  const [rule, ...rest] = topologyRules(written(...of))
  assert.ok(rule)
  assert.deepEqual(rest, [])
  return `${rule.path.join('.')} | ${rule.message} | ${rule.fix}`
}

test('a topology that says nothing of a level leaves a gang in its site', () => {
  const spares = { count: 1, within: 'nvlink' }
  assert.deepEqual(written({ spares }).topology, { within: 'site', required: true, spares })
})

test('slices that do not divide the nodes are refused with the numbers that would', () => {
  const slices = { ranks: 8, within: 'nvlink' }
  assert.equal(
    told({ slices }, 20),
    'topology.slices.ranks | 20 nodes cannot be cut into slices of 8 | write nodes: 16 or nodes: 24, or slices of another size',
  )
  assert.match(told({ slices }, 3), /3 nodes cannot be cut into slices of 8 \| write nodes: 8,/)
})

test('a spread that the rest of the topology makes impossible is refused', () => {
  assert.match(
    told({ within: 'nvlink', spread: { within: 'nvlink', most: 2 } }),
    /^topology\.spread\.most \| all 8 nodes are to be in one nvlink, and at most 2 in one nvlink/,
  )
  assert.match(
    told({ slices: { ranks: 4, within: 'nvlink' }, spread: { within: 'block', most: 2 } }),
    /a slice holds 4 ranks in one nvlink, and at most 2 are to be in one block/,
  )
})

test('a rule wider than what ranks are balanced over is refused', () => {
  const slices = { ranks: 4, within: 'block' }
  assert.match(told({ balanced: 'nvlink', slices }), /^topology\.slices\.within \| block is wider than nvlink/)
  assert.match(told({ balanced: 'node', exclusive: 'block' }), /^topology\.exclusive \| .*balanced: block$/)
})

test('parts of accelerators do not go with what is counted in whole ones', () => {
  const resources = { accelerators: 'H100:0.5' }
  assert.deepEqual(topologyRules(written({ within: 'nvlink' }, 8, { resources })), [])
  assert.match(told({ exclusive: 'node' }, 8, { resources }), /^topology\.exclusive \| .* is had beside others/)
  assert.match(told({ balanced: 'nvlink' }, 8, { resources }), /^topology\.balanced \| .* know only topology\.within/)
})

test('several roles stand in one domain together, and know no rule that counts ranks of one kind', () => {
  const more = { nodes: undefined, roles: [{ name: 'a' }, { name: 'b', nodes: 7 }] }
  assert.match(told({ balanced: 'block' }, 8, more), /^topology\.balanced \| several roles know only/)
  assert.match(
    told({ within: 'block', exclusive: 'nvlink' }, 8, more),
    /^topology\.exclusive \| several roles need one nvlink that holds them all \| write within: nvlink, required/,
  )
  assert.deepEqual(topologyRules(written({ within: 'nvlink', exclusive: 'nvlink' }, 8, more)), [])
})

const levelNumber = { node: 0, nvlink: 1, block: 2, site: 3 }

function requestOf(topology: Topology, ranks: number, roles: number): GangRequest {
  const { within, required, slices, balanced, spread, exclusive, spares } = topology
  return {
    roles: Array.from({ length: roles }, (_, role) => ({
      size: { accelerators: 1 + role },
      ranks: role === 0 ? ranks : 1,
    })),
    within: { level: levelNumber[within], preferred: !required },
    slices: slices && { level: levelNumber[slices.within], ranks: slices.ranks },
    balanced: balanced && levelNumber[balanced],
    spread: spread && { level: levelNumber[spread.within], most: spread.most },
    exclusive: exclusive && levelNumber[exclusive],
    spares: spares && { level: levelNumber[spares.within], count: spares.count },
  }
}

/** A site with so much room in each domain that only what contradicts itself finds no place. */
const roomy = () => {
  const nodes = 12 ** 3
  const domain = (size: number) => Array.from({ length: nodes }, (_, node) => Math.floor(node / size))
  const amounts = { accelerators: 32, cpuMilli: 1000, memoryMiB: 1000, diskMiB: 0 }
  return createCell({
    classes: [{ shape: 'roomy', ...amounts }],
    classOf: new Uint16Array(nodes),
    domains: [domain(12), domain(144)],
  })
}

function finds(topology: Topology, ranks: number, roles: number): boolean {
  try {
    const cell = roomy()
    return take(cell, askOf(cell, requestOf(topology, ranks, roles))) >= 0
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

const inside = fc.constantFrom('node' as const, 'nvlink' as const, 'block' as const)
const some = fc.integer({ min: 1, max: 4 })
const topologies = fc.record(
  {
    within: fc.constantFrom('nvlink' as const, 'block' as const, 'site' as const),
    required: fc.boolean(),
    slices: fc.record({ ranks: some, within: inside }),
    balanced: inside,
    spread: fc.record({ most: some, within: inside }),
    exclusive: inside,
    spares: fc.record({ count: some, within: fc.constantFrom('nvlink' as const, 'block' as const) }),
  },
  { requiredKeys: ['within', 'required'] },
)

test('what is taken has a place where there is room, and what is refused has none anywhere', () => {
  fc.assert(
    fc.property(topologies, fc.integer({ min: 1, max: 11 }), fc.integer({ min: 1, max: 2 }), (...given) => {
      const [topology, ranks, count] = given
      const roles = Array.from({ length: count }, (_, role) => ({ name: `r${role}`, nodes: role === 0 ? ranks : 1 }))
      const spec = count === 1 ? written(topology, ranks) : written(topology, ranks, { nodes: undefined, roles })
      assert.equal(finds(topology, ranks, count), topologyRules(spec).length === 0)
    }),
    { numRuns: 300 },
  )
})
