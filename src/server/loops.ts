import { credentialOf } from '#kit/seal.ts'
import { admit } from '#reconcilers/admit.ts'
import { follow } from '#reconcilers/follow.ts'
import { launch } from '#reconcilers/launch.ts'
import { leave } from '#reconcilers/leave.ts'
import { meter } from '#reconcilers/meter.ts'
import { observe } from '#reconcilers/observe.ts'
import type { House, Reconciler, Steering } from '#reconcilers/reconciler.ts'
import { reserve } from '#reconcilers/reserve.ts'
import { retire } from '#reconcilers/retire.ts'
import { startLoops as run } from '#reconcilers/run.ts'
import { sweep } from '#reconcilers/sweep.ts'
import type { Base } from './base.ts'
import type { Metrics } from './metrics.ts'

/** The loops of a control plane, running. */
export type Loops = ReturnType<typeof run> & {
  /** Resolves when every site has been asked for the first time, well or not. */
  looked: Promise<void>
}

/** All loops of a control plane. */
export const reconcilers: readonly Reconciler[] = [observe, admit, launch, follow, retire, meter, sweep, reserve, leave]

/** Starts the loops; `controlPlanes` are the addresses that agents are given. */
export function startLoops(
  base: Base,
  others: Pick<House, 'controlPlanes' | 'movesPerHour' | 'checkpoints' | 'programs'> & { steering: Steering },
): Loops {
  const { store, clock, ids, archive, log, metrics } = base
  const house = {
    store,
    providers: base.providers.acting,
    clock,
    ids,
    holder: base.id,
    ...others,
    credential: (token: string) => credentialOf(base.keys.credentials, token),
    archive,
    checked: metrics.checked,
  }
  const looked = Promise.withResolvers<void>()
  const loops = reconcilers.map((loop) => measured(loop, metrics, loop === observe ? looked.resolve : () => {}))
  return { ...run(loops, house, log), looked: looked.promise }
}

const measured = (loop: Reconciler, metrics: Metrics, turned: () => void): Reconciler => ({
  ...loop,
  async turn(house, signal) {
    const began = performance.now()
    let failed = true
    try {
      const turn = await loop.turn(house, signal)
      failed = false
      return turn
    } finally {
      metrics.turn({ loop: loop.name, seconds: (performance.now() - began) / 1000, failed })
      turned()
    }
  },
})
