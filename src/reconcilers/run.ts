import { Cancel } from '#kit/cancel.ts'
import { backoffMs } from '#kit/backoff.ts'
import type { Nudge, Store } from '#store/store.ts'
import { keepClaims } from './claiming.ts'
import type { House, Reconciler, Turn } from './reconciler.ts'

export type LoopLog = { error(facts: object, message: string): void; debug?(facts: object, message: string): void }

type Running = {
  /** Loops that have not had a good turn yet, or fail again and again: what is wrong with each. */
  notReady(): string[]
  /** Renews the claims of all loops by one call of `keep`: to be asked for every few seconds. */
  keepClaims(keep: Store['claims']['keep']): Promise<void>
  /** Ends all loops, each after the turn that it is in; that turn's calls are aborted. */
  stop(): Promise<void>
}

/** Which loops a nudge wakes; a loop also looks by itself, so a nudge that is lost costs only time. */
const woken: Record<Nudge, readonly string[]> = {
  admit: ['admit', 'meter'],
  gone: ['admit', 'meter'],
  come: ['admit'],
  launch: ['launch'],
  retire: ['retire'],
  follow: ['follow'],
  agents: ['observe'],
  events: [],
  planes: [],
  sites: ['leave', 'observe'],
  schema: [],
}

const backoff = { firstMs: 200, mostMs: 30_000 }
/** A loop that failed so often, one turn after the other, is in trouble. */
const oftenFailed = 3

/** Runs loops side by side until they are stopped. None of them can stop another one, nor itself. */
export function startLoops(reconcilers: readonly Reconciler[], house: House, log: LoopLog): Running {
  const stopping = new AbortController()
  const loops = reconcilers.map((reconciler) => createLoop(reconciler, house, log))
  const deafen = house.store.onNudge((nudge) => {
    for (const loop of loops) if (woken[nudge].includes(loop.name)) loop.nudge()
  })
  const running = loops.map((loop) => loop.run(stopping.signal))
  return {
    notReady: () => loops.flatMap((loop) => loop.trouble() ?? []),
    keepClaims: (keep) => keepClaims(house, keep),
    async stop() {
      deafen()
      stopping.abort()
      await Promise.all(running)
    },
  }
}

function createLoop(reconciler: Reconciler, house: House, log: LoopLog) {
  const { name } = reconciler
  let ready = false
  let nudged = false
  let failures = 0
  let turns = 0
  let wake = new Cancel()

  /** One turn, and how long to wait after it. A nudge that comes meanwhile asks for one more. */
  async function turn(signal: AbortSignal): Promise<number> {
    nudged = false
    turns += 1
    try {
      const found = await reconciler.turn(house, signal)
      log.debug?.({ loop: name }, found.status)
      failures = 0
      ready = true
      void found.when?.then(nudge)
      return nudged ? 0 : waitAfter(found)
    } catch (error) {
      if (signal.aborted) return 0
      failures += 1
      log.error({ loop: name, failures, error }, `the loop ${name} failed and tries again`)
      return backoffMs({ ...backoff, tries: failures, spread: spread() })
    }
  }

  function waitAfter({ more, at }: Turn): number {
    if (more) return 0
    const regular = reconciler.everyMs * (1 - spread() / 10)
    return Math.max(0, Math.min(regular, at === undefined ? Infinity : at - house.clock.now()))
  }

  /** Keeps loops, and control planes, from beating in time. */
  const spread = () => ((turns * 0.618 + name.length / 7) % 1) * 0.99

  async function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
    // What asks for the next turn at once still lets everybody else have theirs.
    if (milliseconds < 1) return house.clock.giveWay()
    if (wake.aborted) wake = new Cancel()
    if (nudged && failures === 0) return
    if (!signal.aborted) await house.clock.sleep(milliseconds, wake)
  }

  function nudge(): void {
    nudged = true
    if (failures === 0) wake.cancel()
  }

  return {
    name,
    nudge,
    trouble(): string | null {
      if (failures >= oftenFailed) return `the loop ${name} fails again and again`
      return ready ? null : `the loop ${name} has not begun`
    },
    async run(signal: AbortSignal) {
      signal.addEventListener('abort', () => wake.cancel(), { once: true })
      while (!signal.aborted) await rest(await turn(signal), signal)
    },
  }
}
