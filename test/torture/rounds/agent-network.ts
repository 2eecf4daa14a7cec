import { setTimeout as sleep } from 'node:timers/promises'

import { openFaultProxy } from '#rigs/fault-proxy.ts'
import { withOnePlane } from '#test/torture/one-plane.ts'
import type { Round } from '#test/torture/round.ts'
import { storm } from '#test/torture/storm.ts'

/** Now and then nothing is heard for longer than silence and patience last. Its site shows the work all the time. */
export const agentNetwork: Round = {
  about: 'the network between agents and control plane delays, drops, cuts and trickles; nothing is lost or run twice',
  run: (setting) =>
    withOnePlane(setting, { name: 'the way of the agents was bad', patience: '5s' }, async ({ port }) => {
      const { draw } = setting
      const proxy = await openFaultProxy({ target: { port, host: '127.0.0.1' }, draw })
      return {
        environment: { ISOBAR_ADVERTISE: `http://127.0.0.1:${proxy.port}` },
        async strike() {
          await sleep(draw() * 800)
          await storm(proxy, draw, draw() < 0.85 ? 3_000 : 14_000)
          return null
        },
        calm: () => proxy.calm(),
        close: () => proxy.close(),
      }
    }),
}
