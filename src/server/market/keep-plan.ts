import type { Clock } from '#kit/clock.ts'
import { afterPlacing, steeringOf, type SteeringPlan } from '#engine/market/steer.ts'
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
 * How often a plan is made; sooner when sites or their offers have changed, which is looked at so often. One site alone is
 * looked at seldom.
 */
const everyMs = 30_000
const lookMs = 5_000
const solveSeconds = 25
/** Of the queue a plan sees so many. */
const mostWaiting = 2_000

type Using = {
  store: Pick<Store, 'market' | 'placement'>
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

  const running = (async () => {
    let [madeAt, version, restMs] = [-Infinity, '', lookMs]
    while (!stop.signal.aborted) {
      try {
        const sites = await store.market.sites()
        restMs = sites.count < 2 ? everyMs : lookMs
        if (sites.count < 2) plan = undefined
        else if (sites.version !== version || clock.now() - madeAt >= everyMs) {
          version = sites.version
          madeAt = clock.now()
          await make()
        }
      } catch (error) {
        failed(error)
      }
      await clock.sleep(restMs, stop.signal)
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
      await solver.close()
      await running
    },
  }
}
