import { setTimeout as sleep } from 'node:timers/promises'

import { signal } from '#kit/processes.ts'
import { answeredAgain, withOnePlane } from '#test/torture/one-plane.ts'
import type { Round } from '#test/torture/round.ts'

export const postgres: Round = {
  about: 'SIGKILL of PostgreSQL; back within 5 s',
  run: (setting) =>
    withOnePlane(setting, { name: 'PostgreSQL was killed' }, () => ({
      async strike(victim) {
        await sleep(200 + setting.draw() * 1000)
        // The postmaster alone, as the kernel would when memory is short.
        const pid = victim.postmaster()
        return pid !== null && signal(pid, 'SIGKILL') ? answeredAgain(victim, 'PostgreSQL was killed') : null
      },
    })),
}
