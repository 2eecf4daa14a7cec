import { setTimeout as sleep } from 'node:timers/promises'

import { signal } from '#kit/processes.ts'
import { withOnePlane } from '#test/torture/one-plane.ts'
import { strikeAgent } from '#test/torture/processes.ts'
import type { Round } from '#test/torture/round.ts'

const patience = '5s'

/**
 * An agent that is stopped says nothing, for less or for more than the silence and the patience that it is given; but its
 * site shows it all the time. So nothing may be lost.
 */
export const stoppedAgents: Round = {
  about: 'SIGSTOP of agents for less and for more than the patience; they go on, and none of their gangs is lost',
  run: (setting) =>
    withOnePlane(setting, { name: 'an agent was stopped', patience }, () => {
      const { scratch, draw } = setting
      const waking = new Set<Promise<void>>()
      return {
        async strike() {
          await sleep(draw() * 600)
          const forMs = draw() < 0.6 ? draw() * 4_000 : 9_000 + draw() * 6_000
          for (const until = performance.now() + 3_000; performance.now() < until; await sleep(50)) {
            const pid = await strikeAgent(scratch, 'SIGSTOP', draw)
            if (pid === null) continue
            waking.add(wake(pid, forMs))
            break
          }
          return null
        },
        calm: async () => void (await Promise.all(waking)),
      }
    }),
}

async function wake(pid: number, afterMs: number): Promise<void> {
  await sleep(afterMs)
  signal(pid, 'SIGCONT')
}
