import { askOf } from '#engine/cell/ask.ts'
import { createCell } from '#engine/cell/cell.ts'
import { take } from '#engine/cell/take.ts'
import { cutBits, cutStates, migProfiles, startsIn, type MigCut } from '#engine/sharing/mig-cuts.ts'
import { createRandom } from '#kit/random.ts'

/**
 * Compute given out of accelerators that are cut with MIG, in percent: instances of random profiles arrive at a cell until
 * they ask for 130 % of it, none ends, and what has no room is refused. Beside the engine the first place that fits, and
 * the bound that no order of places can pass: all compute.
 */

const accelerators = 1000
const seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
const model = { model: 'H200', memoryMiB: 143_771 }
const profiles = [...migProfiles(model)].map(([name, cut]) => ({ name, cut }))
type Profile = (typeof profiles)[number]

/** How often each profile arrives, of 100. */
const mixes = {
  'mostly small': [40, 5, 10, 25, 15, 4, 1],
  'all alike': [15, 10, 15, 15, 15, 15, 15],
  'mostly large': [10, 0, 10, 20, 35, 20, 5],
}

/** Takes an arrival, or refuses it. */
type Policy = (arrival: Profile) => boolean

console.table(
  Object.entries(mixes).flatMap(([mix, weights]) => [
    { mix, policy: 'first place that fits', ...measure(weights, firstFit) },
    { mix, policy: 'Isobar', ...measure(weights, engine) },
    { mix, policy: 'bound: all compute', 'compute %': '100.00', 'decisions/s': '' },
  ]),
)

function measure(weights: readonly number[], create: () => Policy) {
  let given = 0
  let decisions = 0
  let ms = 0
  for (const seed of seeds) {
    const arrivals = arrivalsOf(weights, seed)
    const takes = create()
    const begun = performance.now()
    for (const arrival of arrivals) if (takes(arrival)) given += arrival.cut.compute
    ms += performance.now() - begun
    decisions += arrivals.length
  }
  return {
    'compute %': ((100 * given) / (7 * accelerators * seeds.length)).toFixed(2),
    'decisions/s': Math.round((decisions / ms) * 1000),
  }
}

function arrivalsOf(weights: readonly number[], seed: number): Profile[] {
  const random = createRandom(seed)
  const bag = profiles.flatMap((profile, i) => Array.from({ length: weights[i] ?? 0 }, () => profile))
  const arrivals: Profile[] = []
  for (let asked = 0; asked < 1.3 * 7 * accelerators;) {
    const profile = bag[random.below(bag.length)]
    if (!profile) break
    arrivals.push(profile)
    asked += profile.cut.compute
  }
  return arrivals
}

/** A cell of nodes with eight accelerators. */
function engine(): Policy {
  const nodeClass = {
    shape: 'node',
    accelerator: model.model,
    acceleratorMemoryMiB: model.memoryMiB,
    accelerators: 8,
    cpuMilli: 192_000,
    memoryMiB: 2_000_000,
    diskMiB: 0,
  }
  const cell = createCell({ classes: [nodeClass], classOf: new Uint8Array(accelerators / 8), domains: [] })
  const asks = new Map(
    profiles.map((profile) => [profile, askOf(cell, { roles: [{ size: { profile: profile.name }, ranks: 1 }] })]),
  )
  return (arrival) => {
    const ask = asks.get(arrival)
    return ask !== undefined && take(cell, ask) >= 0
  }
}

/** The lowest accelerator with room, and the lowest slice of it. */
function firstFit(): Policy {
  const taken = new Uint16Array(accelerators)
  const starts = new Map(profiles.map(({ cut }) => [cut, firstStarts(cut)]))
  return ({ cut }) => {
    const first = starts.get(cut)
    const at = taken.findIndex((state) => (first?.[state] ?? -1) >= 0)
    if (at >= 0) taken[at] = (taken[at] ?? 0) | cutBits(cut, first?.[taken[at] ?? 0] ?? 0)
    return at >= 0
  }
}

function firstStarts(cut: MigCut): number[] {
  return Array.from({ length: cutStates }, (_, state) => startsIn(cut, state)[0] ?? -1)
}
