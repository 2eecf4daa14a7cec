import type { Clock } from '#kit/clock.ts'
import type { Exit } from '#model/agent-protocol.ts'

/** What a simulated process does, as its environment says. */
export type Behaviour = { runMs: number; exitCode: number; stopMs: number }

/** A behaviour written into the environment of a spec, and read back from that of a rank. */
export const behaviourEnv = ({ runMs, exitCode, stopMs }: Behaviour): Record<string, string> => ({
  HOUSE_RUN_MS: String(runMs),
  HOUSE_EXIT: String(exitCode),
  HOUSE_STOP_MS: String(stopMs),
})

export const behaviourOf = (environment: Readonly<Record<string, unknown>>): Behaviour => ({
  runMs: Number(environment['HOUSE_RUN_MS'] ?? 60_000),
  exitCode: Number(environment['HOUSE_EXIT'] ?? 0),
  stopMs: Number(environment['HOUSE_STOP_MS'] ?? 0),
})

/** How ends what was told to end. */
export const terminated: Exit = { code: null, signal: 'SIGTERM', outOfMemory: false }

/** A process that runs for its time, or until it is told to stop: it takes its time to heed that, and no more than its grace. */
export type Process = { ended: Promise<Exit>; stop(graceMs: number): void }

export function startProcess({ runMs, exitCode, stopMs }: Behaviour, clock: Clock): Process {
  const over = Promise.withResolvers<Exit>()
  const end = (exit: Exit) => over.resolve(exit)
  void clock.sleep(runMs).then(() => end({ code: exitCode, signal: null, outOfMemory: false }))
  return {
    ended: over.promise,
    stop(graceMs) {
      const isKilled = stopMs > graceMs
      const signal = isKilled ? 'SIGKILL' : 'SIGTERM'
      void clock.sleep(Math.min(stopMs, graceMs)).then(() => end({ code: null, signal, outOfMemory: false }))
    },
  }
}
