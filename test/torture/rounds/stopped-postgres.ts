import { setTimeout as sleep } from 'node:timers/promises'

import { signal } from '#kit/processes.ts'
import { childrenOf } from '#rigs/processes.ts'
import { answeredAgain, withOnePlane } from '#test/torture/one-plane.ts'
import type { Round } from '#test/torture/round.ts'

/** A backend may be stopped in the middle of a transaction, and others then wait for what it holds. */
export const stoppedPostgres: Round = {
  about: 'SIGSTOP of PostgreSQL, of single processes of it or of all; back within 5 s after they go on',
  run: (setting) =>
    withOnePlane(setting, { name: 'PostgreSQL was stopped' }, () => {
      const { draw } = setting
      return {
        async strike(victim) {
          await sleep(draw() * 800)
          const postmaster = victim.postmaster()
          if (postmaster === null) return null
          const all = [postmaster, ...childrenOf(postmaster)]
          const share = draw() < 0.3 ? 1 : draw() * 0.6
          const drawn = all.filter(() => draw() < share)
          for (const pid of drawn) signal(pid, 'SIGSTOP')
          await sleep(draw() * (draw() < 0.8 ? 3_000 : 12_000))
          for (const pid of drawn) signal(pid, 'SIGCONT')
          return answeredAgain(victim, 'PostgreSQL was stopped and went on')
        },
      }
    }),
}
