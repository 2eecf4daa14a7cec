import { setTimeout as sleep } from 'node:timers/promises'

import { withOnePlane } from '#test/torture/one-plane.ts'
import type { Round } from '#test/torture/round.ts'

export const controlPlane: Round = {
  about: 'SIGKILL of the control plane at random moments; back within 5 s',
  run: (setting) =>
    withOnePlane(setting, { name: 'the control plane was killed' }, () => ({
      async strike(victim) {
        await sleep(setting.draw() * 1500)
        await victim.kill()
        victim.start()
        // Now and then it is killed again before it is up.
        return setting.draw() < 0.2 ? null : victim.ready(30_000)
      },
    })),
}
