import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { openFaultProxy, overPort, postgresOf } from '#rigs/fault-proxy.ts'
import { startEmbedded } from '#store/embedded/embedded.ts'
import { answeredAgain, withOnePlane } from '#test/torture/one-plane.ts'
import type { Round } from '#test/torture/round.ts'
import { storm } from '#test/torture/storm.ts'

export const databaseNetwork: Round = {
  about: 'the network between control plane and PostgreSQL delays, drops, cuts and trickles; back within 5 s',
  run: (setting) =>
    withOnePlane(setting, { name: 'the way to the database was bad' }, async () => {
      const { scratch, draw } = setting
      const database = await startEmbedded(join(scratch, 'database'))
      const proxy = await openFaultProxy({ target: postgresOf(database.url), draw })
      return {
        environment: { DATABASE_URL: overPort(database.url, proxy.port) },
        database: () => database.url,
        async strike(victim) {
          await sleep(draw() * 1_000)
          await storm(proxy, draw, draw() < 0.85 ? 3_000 : 10_000)
          return answeredAgain(victim, 'the way to the database was bad and is well again')
        },
        calm: () => proxy.calm(),
        async close() {
          await proxy.close()
          await database.remove()
        },
      }
    }),
}
