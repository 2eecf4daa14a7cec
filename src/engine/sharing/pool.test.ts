import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createSharedNodes, type Share, type SharedNode } from './nodes.ts'
import type { Pool } from './pool.ts'
import { createSharing, type Sharing } from './sharing.ts'

const models = ['T4', 'A10', 'H100']
const someNodes = fc.array(
  fc.record({
    gpus: fc.integer({ min: 0, max: 8 }),
    cpuMilli: fc.integer({ min: 0, max: 40_000 }),
    memoryMiB: fc.integer({ min: 0, max: 4000 }),
    model: fc.constantFrom(...models),
  }),
  { minLength: 1, maxLength: 6 },
)
const someGpus = fc.oneof(
  fc.record({ gpus: fc.constant(1), milli: fc.integer({ min: 1, max: 1000 }) }),
  fc.record({ gpus: fc.integer({ min: 1, max: 8 }), milli: fc.constant(1000) }),
  fc.constant({ gpus: 0, milli: 0 }),
)
const someShare: fc.Arbitrary<Share> = fc
  .tuple(
    someGpus,
    fc.record({
      cpuMilli: fc.integer({ min: 0, max: 9000 }),
      memoryMiB: fc.integer({ min: 0, max: 900 }),
      models: fc.option(fc.uniqueArray(fc.constantFrom(...models), { minLength: 1 }), { nil: undefined }),
    }),
  )
  .map(([gpus, rest]) => ({ ...gpus, ...rest }))
/** Arrivals, or with a number the end of what was placed so many before. */
const someSteps = fc.array(fc.oneof({ weight: 4, arbitrary: someShare }, fc.nat(20)), { maxLength: 60 })

type Placed = { share: Share; node: number; gpus: number[] }

/** Runs steps through a pool and keeps books of its own. `each` sees the pool before every decision. */
function run(
  pool: Sharing,
  steps: readonly (Share | number)[],
  each: (share: Share, placed: readonly Placed[]) => void = () => {},
): Placed[] {
  const placed: Placed[] = []
  for (const step of steps) {
    if (typeof step === 'number') {
      const [ended] = placed.splice(step % Math.max(placed.length, 1), 1)
      if (ended)
        pool.giveBack(
          pool.kindOf(ended.share),
          ended.node,
          ended.gpus.reduce((bits, gpu) => bits | (1 << gpu), 0),
        )
      continue
    }
    const kind = pool.arrived(step)
    each(step, placed)
    const node = pool.choose(kind)
    if (node < 0) continue
    const bits = pool.take(kind, node)
    placed.push({ share: step, node, gpus: Array.from({ length: 31 }, (_, i) => i).filter((i) => (bits >> i) & 1) })
  }
  return placed
}

/** What is free on a node by the books alone. */
function freeOn(list: readonly SharedNode[], placed: readonly Placed[], node: number) {
  const { gpus = 0, cpuMilli = 0, memoryMiB = 0 } = list[node] ?? {}
  const here = placed.filter((each) => each.node === node)
  const sum = (of: (share: Share) => number) => here.reduce((all, { share }) => all + of(share), 0)
  return {
    cpuMilli: cpuMilli - sum((share) => share.cpuMilli),
    memoryMiB: memoryMiB - sum((share) => share.memoryMiB),
    milli: Array.from({ length: gpus }, (_, gpu) =>
      here.reduce((left, each) => left - (each.gpus.includes(gpu) ? each.share.milli : 0), 1000),
    ),
  }
}

const hasRoom = (list: readonly SharedNode[], placed: readonly Placed[], share: Share): boolean =>
  list.some(({ model }, node) => {
    const free = freeOn(list, placed, node)
    return (
      (share.models ?? [model]).includes(model) &&
      free.cpuMilli >= share.cpuMilli &&
      free.memoryMiB >= share.memoryMiB &&
      free.milli.filter((milli) => milli >= share.milli).length >= share.gpus
    )
  })

test('no GPU, CPU or memory is given twice, fractions stand on one GPU, whole GPUs are whole, and models are kept', () => {
  fc.assert(
    fc.property(someNodes, someSteps, (list, steps) => {
      const pool = createSharing(createSharedNodes(list))
      const placed = run(pool, steps)
      for (const [node, { model }] of list.entries()) {
        const free = freeOn(list, placed, node)
        assert.ok(free.cpuMilli >= 0 && free.memoryMiB >= 0 && free.milli.every((milli) => milli >= 0))
        assert.deepEqual(Array.from(pool.nodes.freeMilli.slice(...rangeOf(pool, node))), free.milli)
        assert.equal(pool.nodes.freeCpuMilli[node], free.cpuMilli)
        assert.equal(pool.nodes.freeMemoryMiB[node], free.memoryMiB)
        for (const { share } of placed.filter((each) => each.node === node))
          assert.ok(!share.models || share.models.includes(model))
      }
      for (const { share, gpus } of placed) assert.equal(gpus.length, share.gpus)
    }),
  )
})

const rangeOf = ({ nodes }: Pool, node: number): [number, number] => [
  nodes.firstGpu[node] ?? 0,
  nodes.firstGpu[node + 1] ?? 0,
]

test('a share is refused only when no node has room for it', () => {
  fc.assert(
    fc.property(someNodes, someSteps, (list, steps) => {
      const pool = createSharing(createSharedNodes(list))
      run(pool, steps, (share, placed) =>
        assert.equal(pool.choose(pool.kindOf(share)) >= 0, hasRoom(list, placed, share)),
      )
    }),
  )
})

test('what is remembered of nodes is what judging them anew gives, after any steps', () => {
  fc.assert(
    fc.property(someNodes, someSteps, (list, steps) => {
      const pool = createSharing(createSharedNodes(list))
      const asked = new Set<Share>()
      run(pool, steps, (share) => {
        asked.add(share)
        const kinds = [...asked].map((each) => pool.kindOf(each))
        const remembered = kinds.map((kind) => list.map((_, node) => [pool.costOn(kind, node), kind.gpus[node]]))
        const chosen = kinds.map((kind) => pool.choose(kind))
        pool.forget()
        assert.deepEqual(
          kinds.map((kind) => list.map((_, node) => [pool.costOn(kind, node), kind.gpus[node]])),
          remembered,
        )
        assert.deepEqual(
          kinds.map((kind) => pool.choose(kind)),
          chosen,
        )
      })
    }),
    { numRuns: 50 },
  )
})

test('the same arrivals go to the same places', () => {
  fc.assert(
    fc.property(someNodes, someSteps, (list, steps) => {
      const once = run(createSharing(createSharedNodes(list)), steps)
      assert.deepEqual(run(createSharing(createSharedNodes(list)), steps), once)
    }),
    { numRuns: 50 },
  )
})

const node = { gpus: 2, cpuMilli: 16_000, memoryMiB: 100_000, model: 'T4' }
const half = { gpus: 1, milli: 500, cpuMilli: 1000, memoryMiB: 1 }
const whole = { gpus: 1, milli: 1000, cpuMilli: 1000, memoryMiB: 1 }

test('halves are put together, so that GPUs stay whole for who needs them whole', () => {
  const pool = createSharing(createSharedNodes([node, node, node]))
  const placed = run(pool, [whole, half, whole, half, half, half])
  const halves = placed.filter(({ share }) => share === half)
  assert.equal(new Set(halves.map((each) => `${each.node} ${String(each.gpus)}`)).size, 2)
})

test('who needs many CPUs goes where they are plenty, so that no GPU is left without', () => {
  const poor = { ...node, cpuMilli: 8000 }
  const rich = { ...node, cpuMilli: 64_000 }
  const hungry = { ...whole, cpuMilli: 8000 }
  const modest = { ...whole, cpuMilli: 4000 }
  const pool = createSharing(createSharedNodes([poor, rich]))
  const placed = run(pool, [modest, hungry, modest, hungry])
  assert.deepEqual(
    placed.map((each) => each.node),
    [0, 1, 0, 1],
  )
})

test('a scarce model is kept for those who may run on no other', () => {
  const scarce = { ...node, model: 'H100' }
  const choosy = { ...whole, models: ['H100'] }
  const pool = createSharing(createSharedNodes([scarce, scarce, node, node]))
  const placed = run(pool, [choosy, whole, whole, choosy, whole, whole, choosy, choosy])
  assert.deepEqual(
    placed.map((each) => each.node < 2),
    [true, false, false, true, false, false, true, true],
  )
})

test('kinds that were forgotten are judged as before', () => {
  const pool = createSharing(createSharedNodes([node, node]))
  const kept = pool.arrived(half)
  pool.take(kept, pool.choose(kept))
  for (let cpuMilli = 0; cpuMilli < 600; cpuMilli++) pool.kindOf({ ...half, cpuMilli })
  assert.notEqual(pool.kindOf(half), kept)
  assert.equal(pool.choose(pool.kindOf(half)), pool.choose(kept))
})

test('a share that nothing could hold is a bug of the caller, and said', () => {
  const pool = createSharing(createSharedNodes([node]))
  assert.throws(() => pool.kindOf({ ...whole, gpus: 2, milli: 500 }), /2 GPUs of 500 thousandths each/)
  assert.throws(() => pool.kindOf({ ...whole, gpus: 0 }), RangeError)
  assert.throws(() => pool.take(pool.kindOf({ ...whole, gpus: 3 }), 0), /node 0 has no room/)
  assert.throws(() => createSharedNodes([{ ...node, gpus: 32 }]), /node 0 has 32 GPUs/)
})
