import { setTimeout as sleep } from 'node:timers/promises'

import { withOnePlane } from '#test/torture/one-plane.ts'
import { strikeAgent } from '#test/torture/processes.ts'
import type { Round } from '#test/torture/round.ts'

export const agents: Round = {
  about: 'SIGKILL of agents: their gangs are lost whole and tried again, with one success each',
  run: (setting) =>
    withOnePlane(setting, { name: 'an agent was killed', losses: true }, () => ({
      async strike() {
        await sleep(setting.draw() * 600)
        for (const until = performance.now() + 3_000; performance.now() < until; await sleep(50))
          if ((await strikeAgent(setting.scratch, 'SIGKILL', setting.draw)) !== null) break
        return null
      },
    })),
}
