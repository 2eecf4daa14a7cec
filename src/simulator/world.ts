import { createIds } from '#kit/ids.ts'
import { createRandom } from '#kit/random.ts'
import type { SimulatedOptions } from '#providers/simulated/options.ts'
import { createSimulated, type SimulatedCloud } from '#providers/simulated/simulated.ts'
import type { Archive, House, Reconciler } from '#reconcilers/reconciler.ts'
import type { Store } from '#store/store.ts'
import type { FakeClock } from './fake-clock.ts'

/** A house on simulated sites, whose time moves only by steps. The same seed, store and steps give the same history. */
export type World = {
  house: House
  cloud: SimulatedCloud
  clock: FakeClock
  /** All loops have their turns until none asks for another at once; then time moves by one tick. */
  step(): Promise<void>
  /** Steps for so long. */
  runFor(milliseconds: number): Promise<void>
  /** Steps until the condition holds, looked at after each; false when it does not within `mostMs`. */
  runUntil(condition: () => Promise<boolean>, mostMs: number): Promise<boolean>
}

type Options = SimulatedOptions & {
  store: Store
  /** The clock that the store was opened with. */
  clock: FakeClock
  /** The loops, in the order in which they have their turns. */
  reconcilers: readonly Reconciler[]
  tickMs?: number
}

/** A loop that asks for another turn so often in one step is one that never ends. */
const mostTurns = 1_000

/** Calls of providers have to be answered at once (`callMs: [0, 0]`): time stands still during a turn. */
export function createWorld({ store, clock, reconcilers, tickMs = 1_000, ...simulated }: Options): World {
  const cloud = createSimulated({ ...simulated, clock })
  const random = createRandom(simulated.seed)
  const house: House = {
    store,
    providers: new Map([['simulated', cloud.open()]]),
    clock,
    ids: createIds(clock.now, random.bytes),
    holder: 'world',
    controlPlanes: () => ['http://127.0.0.1:1'],
    credential: (token) => `${token}.simulated`,
    archive: memoryArchive(),
  }
  const signal = new AbortController().signal

  const turns = async (reconciler: Reconciler): Promise<void> => {
    for (let turn = 0; turn < mostTurns; turn++) {
      const { more } = await reconciler.turn(house, signal)
      if (!more) return
    }
    throw new Error(`the loop ${reconciler.name} asks for more and more turns`)
  }
  const step = async (): Promise<void> => {
    for (const reconciler of reconcilers) await turns(reconciler)
    await clock.advance(tickMs)
  }
  const runUntil: World['runUntil'] = async (condition, mostMs) => {
    const end = clock.now() + mostMs
    while (!(await condition())) {
      if (clock.now() >= end) return false
      await step()
    }
    return true
  }
  return {
    house,
    cloud,
    clock,
    step,
    runUntil,
    async runFor(milliseconds) {
      const end = clock.now() + milliseconds
      while (clock.now() < end) await step()
    },
  }
}

/** Logs are counted, not kept. */
function memoryArchive(): Archive {
  const all = new Map<string, { bytes: number; end: number }>()
  const keptOf = (lease: string, rank: number) => all.get(`${lease}/${rank}`) ?? { bytes: 0, end: 0 }
  return {
    kept: (lease, rank) => Promise.resolve(keptOf(lease, rank)),
    add(lease, rank, { from, bytes: { length } }) {
      all.set(`${lease}/${rank}`, { bytes: keptOf(lease, rank).bytes + length, end: from + length })
      return Promise.resolve()
    },
  }
}
