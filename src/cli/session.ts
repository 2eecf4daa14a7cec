import { setTimeout as sleep } from 'node:timers/promises'

import type { Api } from './client.ts'
import { Unreachable } from './fault.ts'
import { note, type Io } from './io.ts'

/** A connection that outlives the server: whoever follows something goes on with the next server. */
export type Session = {
  /** Runs what can be run again, and again with a new connection while the server does not answer. */
  keep<T>(work: (api: Api) => Promise<T>, signal: AbortSignal): Promise<T>
}

const patienceMs = 120_000
const pauseMs = 250

/** Keeps a connection to the server that a command found first. The server is started again where commands start it. */
export function createSession(io: Io, first: Api): Session {
  let api = first
  let renewal: Promise<void> | undefined
  const renew = async () => {
    note(io, 'the server does not answer; what runs goes on. Connecting again …')
    const { connect } = await import('./connect.ts')
    api = await connect(io)
  }
  return {
    async keep(work, signal) {
      const until = Date.now() + patienceMs
      for (;;) {
        const used = api
        try {
          return await work(used)
        } catch (error) {
          if (signal.aborted || !(error instanceof Unreachable) || Date.now() > until) throw error
        }
        await sleep(pauseMs)
        // Several follow side by side: one of them connects for all.
        if (used === api) await (renewal ??= renew().finally(() => (renewal = undefined)))
      }
    },
  }
}
