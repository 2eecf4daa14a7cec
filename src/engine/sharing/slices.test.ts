import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { cutBits, migProfiles, mostOf, startsIn, type MigCut } from './mig-cuts.ts'
import { createSlices, type Slices } from './slices.ts'

/** The placements of an H100 with 80 GB as `nvidia-smi mig -lgipp` prints them, with the compute that each has. */
const guide: Record<string, { compute: number; starts: number[]; size: number }> = {
  '1g.10gb': { compute: 1, starts: [0, 1, 2, 3, 4, 5, 6], size: 1 },
  '1g.10gb+me': { compute: 1, starts: [0, 1, 2, 3, 4, 5, 6], size: 1 },
  '1g.20gb': { compute: 1, starts: [0, 2, 4, 6], size: 2 },
  '2g.20gb': { compute: 2, starts: [0, 2, 4], size: 2 },
  '3g.40gb': { compute: 3, starts: [0, 4], size: 4 },
  '4g.40gb': { compute: 4, starts: [0], size: 4 },
  '7g.80gb': { compute: 7, starts: [0], size: 8 },
}
const names = Object.keys(guide)
const profiles = migProfiles({ model: 'h100', memoryMiB: 81_559 })
const cutOf = (name: string): MigCut => profiles.get(name) ?? assert.fail(`there is no ${name}`)

type Instance = { name: string; gpu: number; start: number }

const spanOf = ({ name, start }: Instance): number[] =>
  Array.from({ length: guide[name]?.size ?? 0 }, (_, i) => start + i)

/** Whether the guide allows an instance beside others. */
function allowed(instance: Instance, others: readonly Instance[]): boolean {
  const beside = others.filter(({ gpu }) => gpu === instance.gpu)
  const slices = new Set(beside.flatMap(spanOf))
  const media = instance.name.endsWith('+me') && beside.some(({ name }) => name.endsWith('+me'))
  return (
    (guide[instance.name]?.starts.includes(instance.start) ?? false) &&
    spanOf(instance).every((slice) => !slices.has(slice)) &&
    !media
  )
}

/** Every place that the guide allows for a profile. */
const placesFor = (name: string, gpus: number, others: readonly Instance[]): Instance[] =>
  Array.from({ length: gpus }, (_, gpu) => gpu)
    .flatMap((gpu) => Array.from({ length: 8 }, (_, start) => ({ name, gpu, start })))
    .filter((instance) => allowed(instance, others))

/** Names arrive; a number ends what began so many before. */
const someSteps = fc.array(fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...names) }, fc.nat(9)), { maxLength: 60 })

/** Runs steps on some accelerators, and shows every instance with those that stood before it. */
function run(
  gpus: number,
  steps: readonly (string | number)[],
  each: (step: { name: string; before: readonly Instance[]; instance?: Instance }) => void,
): Instance[] {
  const slices = createSlices()
  const there: Instance[] = []
  const state = Array.from({ length: gpus }, () => 0)
  for (const step of steps) {
    if (typeof step === 'number') {
      const [ended] = there.splice(step % Math.max(there.length, 1), 1)
      if (ended) state[ended.gpu] = (state[ended.gpu] ?? 0) & ~cutBits(cutOf(ended.name), ended.start)
      continue
    }
    const cut = cutOf(step)
    slices.arrived(cut)
    const ranks = state.map((taken) => slices.rank(cut, taken))
    const gpu = ranks.indexOf(Math.min(...ranks))
    const start = slices.start(cut, state[gpu] ?? 0)
    const instance = start < 0 ? undefined : { name: step, gpu, start }
    if (instance) state[gpu] = (state[gpu] ?? 0) | cutBits(cut, start)
    each({ name: step, before: [...there], ...(instance && { instance }) })
    if (instance) there.push(instance)
  }
  return there
}

const told = (model: string, memoryMiB: number) => [...migProfiles({ model, memoryMiB }).keys()].join(' ')

test('the profiles are those of the guide, by the names of each model', () => {
  assert.deepEqual(
    Object.fromEntries(
      [...profiles].map(([name, { compute, starts, memory }]) => [name, { compute, starts, size: memory }]),
    ),
    guide,
  )
  assert.equal(told('H200', 143_771), '1g.18gb 1g.18gb+me 1g.35gb 2g.35gb 3g.71gb 4g.71gb 7g.141gb')
  assert.equal(told('B200', 183_359), '1g.23gb 1g.23gb+me 1g.45gb 2g.45gb 3g.90gb 4g.90gb 7g.180gb')
  assert.equal(told('A100', 40_960), '1g.5gb 1g.5gb+me 1g.10gb 2g.10gb 3g.20gb 4g.20gb 7g.40gb')
  assert.equal(told('H100', 95_830), '1g.12gb 1g.12gb+me 1g.24gb 2g.24gb 3g.47gb 4g.47gb 7g.94gb')
  assert.equal(told('H100', 97_871), '1g.12gb 1g.12gb+me 1g.24gb 2g.24gb 3g.48gb 4g.48gb 7g.96gb')
  assert.equal(told('T4', 15_360), '')
})

test('of each profile as many are counted as have room together', () => {
  for (const name of names)
    for (let state = 0; state < 512; state++) {
      const cut = cutOf(name)
      let [most, now] = [0, state]
      for (let [start] = startsIn(cut, now); start !== undefined; [start] = startsIn(cut, now)) {
        now |= cutBits(cut, start)
        most++
      }
      assert.equal(mostOf(cut, state), most)
    }
})

test('an instance stands where the guide allows it, is refused only when no place is left, and compute is never above 7', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), someSteps, (gpus, steps) => {
      const there = run(gpus, steps, ({ name, before, instance }) => {
        if (instance) assert.ok(allowed(instance, before), `${name} at ${instance.start} of GPU ${instance.gpu}`)
        else assert.deepEqual(placesFor(name, gpus, before), [])
      })
      for (let gpu = 0; gpu < gpus; gpu++) {
        const here = there.filter((each) => each.gpu === gpu)
        assert.ok(here.reduce((sum, { name }) => sum + (guide[name]?.compute ?? 0), 0) <= 7)
      }
    }),
  )
})

/** Free compute of each GPU, for each profile that can begin there, found by trying all places. */
function usable(gpus: number, there: readonly Instance[]): number {
  let sum = 0
  for (let gpu = 0; gpu < gpus; gpu++) {
    const taken = new Set(there.filter((each) => each.gpu === gpu).flatMap(spanOf))
    const free = [0, 1, 2, 3, 4, 5, 6].filter((slice) => !taken.has(slice)).length
    sum += free * names.filter((name) => placesFor(name, gpus, there).some((place) => place.gpu === gpu)).length
  }
  return sum
}

test('no other place spoils less of what may come, as trying all of them shows', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 }), someSteps, (gpus, steps) => {
      run(gpus, steps.slice(0, 20), ({ name, before, instance }) => {
        if (!instance) return
        const all = placesFor(name, gpus, before).map((place) => usable(gpus, [...before, place]))
        assert.equal(usable(gpus, [...before, instance]), Math.max(...all))
      })
    }),
    { numRuns: 50 },
  )
})

test('a GPU can be filled in the 19 ways of the guide, counting neither media engines nor 1g with memory for two', () => {
  const plain = names.filter((name) => !['1g.10gb+me', '1g.20gb'].includes(name))
  const full = new Set<string>()
  const cut = (there: Instance[]): void => {
    const next = plain.flatMap((name) => placesFor(name, 1, there))
    for (const place of next) if (there.every(({ start }) => start < place.start)) cut([...there, place])
    if (next.length === 0) full.add(there.map(({ name, start }) => `${name}@${start}`).join(' '))
  }
  cut([])
  assert.equal(full.size, 19)
})

/** What was learned of one profile alone. */
function learned(name: string): Slices {
  const slices = createSlices()
  for (let arrival = 0; arrival < 4096; arrival++) slices.arrived(cutOf(name))
  return slices
}

test('places follow the mix that arrives: one slice goes where it is in the way of nobody', () => {
  const [one, large] = ['1g.10gb', '1g.20gb'].map(cutOf)
  assert.ok(one && large)
  assert.equal(learned('4g.40gb').start(one, 0), 4, 'a 4g begins at 0 only')
  assert.equal(learned('1g.10gb').start(large, 0), 6, 'its second slice of memory there has no compute')
  assert.equal(learned('1g.10gb').start(one, 0b0111_1111), -1)
  assert.equal(learned('1g.10gb').rank(one, 0b0111_1111), Infinity)
})
