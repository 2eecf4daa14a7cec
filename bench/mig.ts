import { migProfiles } from '#engine/sharing/mig-profiles.ts'
import { createSlices, startsIn, type Slices } from '#engine/sharing/slices.ts'
import { createRandom } from '#kit/random.ts'

/**
 * Compute given out of GPUs that are cut with MIG, in percent: instances of random profiles arrive until they ask for
 * 130 % of it, none ends, and what has no room is refused. Beside the engine the first place that fits, and the bound
 * that no order of places can pass: all compute.
 */

const gpus = 1000
const seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
const profiles = migProfiles('H200-141GB')
/** How often each profile arrives, of 100. */
const mixes = {
  'mostly small': [40, 5, 10, 25, 15, 4, 1],
  'all alike': [15, 10, 15, 15, 15, 15, 15],
  'mostly large': [10, 0, 10, 20, 35, 20, 5],
}

console.table(
  Object.entries(mixes).flatMap(([mix, weights]) => [
    { mix, policy: 'first place that fits', ...measure(weights, () => firstFit()) },
    { mix, policy: 'Isobar', ...measure(weights, () => createSlices(profiles, gpus)) },
    { mix, policy: 'bound: all compute', 'compute %': '100.00', 'decisions/s': '' },
  ]),
)

function measure(weights: readonly number[], create: () => Pick<Slices, 'arrived' | 'choose' | 'take'>) {
  let given = 0
  let decisions = 0
  let ms = 0
  for (const seed of seeds) {
    const arrivals = arrivalsOf(weights, seed)
    const slices = create()
    const begun = performance.now()
    for (const profile of arrivals) {
      slices.arrived(profile)
      const gpu = slices.choose(profile)
      if (gpu < 0) continue
      slices.take(profile, gpu)
      given += profiles[profile]?.compute ?? 0
    }
    ms += performance.now() - begun
    decisions += arrivals.length
  }
  return {
    'compute %': ((100 * given) / (7 * gpus * seeds.length)).toFixed(2),
    'decisions/s': Math.round((decisions / ms) * 1000),
  }
}

function arrivalsOf(weights: readonly number[], seed: number): number[] {
  const random = createRandom(seed)
  const bag = weights.flatMap((weight, profile) => Array.from({ length: weight }, () => profile))
  const arrivals: number[] = []
  for (let asked = 0; asked < 1.3 * 7 * gpus;) {
    const profile = bag[random.below(bag.length)] ?? 0
    arrivals.push(profile)
    asked += profiles[profile]?.compute ?? 0
  }
  return arrivals
}

/** The lowest GPU with room, and the lowest slice of it. */
function firstFit(): Pick<Slices, 'arrived' | 'choose' | 'take'> {
  const slices = createSlices(profiles, gpus)
  const fits = (profile: number, gpu: number): number[] => {
    const of = profiles[profile]
    return of ? startsIn(of, slices.taken[gpu] ?? 0) : []
  }
  return {
    arrived: () => {},
    choose: (profile) => slices.taken.findIndex((_, gpu) => fits(profile, gpu).length > 0),
    take(profile, gpu) {
      const start = fits(profile, gpu)[0] ?? 0
      slices.put(profile, gpu, start)
      return start
    },
  }
}
