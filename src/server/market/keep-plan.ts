import { Cancel } from '#kit/cancel.ts'
import type { Clock } from '#kit/clock.ts'
import { afterPlacing, planPatienceMs, steeringOf, type SteeringPlan } from '#engine/market/steer.ts'
import { demandOf } from '#engine/placement/demand.ts'
import type { Store } from '#store/store.ts'

import { planMarket } from './plan-market.ts'
import type { Solver } from './solver.ts'

/** The plan over aggregates of a control plane, made again and again beside the loops. */
export type PlanKeeper = {
  /** Undefined where there is nothing to plan: one site, nobody who waits, or no plan yet. */
  plan(): SteeringPlan | undefined
  /** Gangs were placed: what was planned for them is no longer to be placed. */
  placed(gangs: readonly Gang[]): void
  stop(): Promise<void>
}

type Gang = { key: string; candidate: string }

/**
 * How often a plan is made while work comes and goes; sooner when sites or their offers have changed, which is looked at so
 * often. Where nothing was heard since the last one, and where there is one site alone, seldom.
 */
const everyMs = 30_000
const lookMs = 5_000
const calmMs = planPatienceMs - everyMs
const solveSeconds = 25
/** Of the queue a plan sees so many. */
const mostWaiting = 2_000

type Using = {
  store: Pick<Store, 'market' | 'placement' | 'onNudge'>
  clock: Clock
  solver: Solver
  failed: (error: unknown) => void
}

/** Starts planning. A plan that could not be made is told of, and the last one steers until it is too old. */
export function keepPlan({ store, clock, solver, failed }: Using): PlanKeeper {
  const stop = new AbortController()
  let plan: SteeringPlan | undefined
  /** Placed since the plan that is being made saw the queue. */
  let since: Gang[] = []
  const queue = hear(store)

  async function make(): Promise<void> {
    const now = clock.now()
    since = []
    const snapshot = await store.placement.snapshot({ now, most: mostWaiting, unlessIdle: true })
    if (snapshot.waiting.length === 0) return void (plan = undefined)
    const demand = demandOf({ snapshot, now })
    if (demand.classes.length === 0) return void (plan = undefined)
    const found = await planMarket(demand.market, solver, solveSeconds)
    if (stop.signal.aborted) return
    if ('problem' in found) throw new Error(`no plan over sites: ${found.problem}`)
    plan = afterPlacing(steeringOf(demand, found, now), since)
  }

  /** Makes one if there may be another than before; says whether there are sites to choose from. */
  async function look(last: { madeAt: number; version: string }): Promise<boolean> {
    const sites = await store.market.sites()
    if (sites.count < 2) plan = undefined
    else if (sites.version !== last.version || clock.now() - last.madeAt >= everyMs) {
      last.version = sites.version
      last.madeAt = clock.now()
      queue.isStirred = false
      await make()
    }
    return sites.count >= 2
  }

  const running = (async () => {
    const last = { madeAt: -Infinity, version: '' }
    while (!stop.signal.aborted) {
      let chooses = true
      try {
        chooses = await look(last)
      } catch (error) {
        queue.isStirred = true
        failed(error)
      }
      await clock.sleep(chooses ? lookMs : everyMs, stop.signal)
      const calm = last.madeAt + calmMs - clock.now()
      if (!queue.isStirred && calm > 0 && !stop.signal.aborted) await clock.sleep(calm, queue.wake)
    }
  })()
  return {
    plan: () => plan,
    placed(gangs) {
      since.push(...gangs)
      if (plan && gangs.length > 0) plan = afterPlacing(plan, gangs)
    },
    async stop() {
      stop.abort()
      queue.close()
      await solver.close()
      await running
    },
  }
}

/** Whether anything was heard of the queue since a plan saw it last, and what wakes who waits for that. */
function hear({ onNudge }: Pick<Store, 'onNudge'>) {
  const queue = { isStirred: true, wake: new Cancel(), close }
  const deafen = onNudge((nudge) => {
    if (nudge !== 'admit' && nudge !== 'gone' && nudge !== 'come') return
    queue.isStirred = true
    queue.wake.cancel()
    queue.wake = new Cancel()
  })
  function close(): void {
    deafen()
    queue.wake.cancel()
  }
  return queue
}
