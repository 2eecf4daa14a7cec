import assert from 'node:assert/strict'
import { test } from 'node:test'

import { askOf } from '#engine/cell/ask.ts'
import { nodesOf } from '#engine/cell/heads.ts'
import { take } from '#engine/cell/take.ts'
import type { Judge } from '#engine/sharing/judge.ts'
import { fill, sharedCell, sizeOfTask } from './fill.ts'
import { bestFit, fgd } from './published.ts'

const node = { gpus: 2, cpuMilli: 16_000, memoryMiB: 100_000, model: 'T4' }
const pod = (milli: number, cpuMilli = 1000, gpus = 1) => ({ gpus, milli, cpuMilli, memoryMiB: 1 })

test('what is refused counts, and what had been allocated when all GPUs had been asked for', () => {
  const cell = sharedCell([node], bestFit)
  assert.deepEqual(fill(cell, [pod(600), pod(600), pod(600), pod(200), pod(400)]), {
    totalMilli: 2000,
    allocatedMilli: 1800,
    allocatedAtFullDemandMilli: 1400,
    refused: 1,
    moves: 0,
  })
})

/** The places of arrivals under a judge. */
function placesUnder(judge: Judge, arrivals: ReturnType<typeof pod>[], nodes = [node, node]): number[] {
  const cell = sharedCell(nodes, judge)
  return arrivals.map((task) => {
    const gang = take(cell, askOf(cell, { roles: [{ size: sizeOfTask(task), ranks: 1 }] }))
    return gang < 0 ? -1 : (nodesOf(cell, gang).ranks[0] ?? -1)
  })
}

test('the published best fit takes the node that is left with the least, CPUs and GPUs alike', () => {
  const wide = { ...node, gpus: 8, cpuMilli: 96_000 }
  assert.deepEqual(placesUnder(bestFit, [pod(1000, 1000), pod(1000, 1000), pod(1000, 1000)], [wide, node]), [1, 1, 0])
})

test('the published FGD keeps GPUs usable for the pods that it was told of', () => {
  const told = [pod(1000, 1000, 2), pod(500), pod(500)]
  assert.deepEqual(placesUnder(fgd(told), [pod(500), pod(500), pod(1000, 1000, 2)]), [0, 0, 1])
})

test('what the engine puts down leaves less without CPUs than best fit and FGD do', () => {
  // Big nodes have 12 cores a GPU, small ones 52: who needs 30 belongs on the small ones, and nobody else.
  const big = { ...node, gpus: 8, cpuMilli: 96_000 }
  const small = { ...node, gpus: 2, cpuMilli: 104_000 }
  const list = [small, small, small, small, big, big, big]
  const arrivals = Array.from({ length: 32 }, (_, i) => pod(1000, i % 4 === 3 ? 30_000 : 10_000))
  const ours = fill(sharedCell(list), arrivals)
  const theirs = [bestFit, fgd(arrivals)].map((judge) => fill(sharedCell(list, judge), arrivals))
  assert.deepEqual(
    [ours, ...theirs].map(({ allocatedMilli }) => allocatedMilli),
    [29_000, 27_000, 27_000],
  )
})
