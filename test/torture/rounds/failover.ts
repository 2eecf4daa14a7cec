import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { openFaultProxy, overPort, postgresOf } from '#rigs/fault-proxy.ts'
import { openReplicatedPostgres } from '#rigs/replicated-postgres.ts'
import { answeredAgain, withOnePlane } from '#test/torture/one-plane.ts'
import type { Round } from '#test/torture/round.ts'

/** Connections are led to the new primary by a proxy, as the floating address of a managed database does. */
export const failover: Round = {
  about: 'PostgreSQL dies with its machine, its synchronous standby is promoted; nothing that was answered is lost',
  run: (setting) =>
    withOnePlane(setting, { name: 'PostgreSQL failed over' }, async () => {
      const { scratch, draw } = setting
      const postgres = await openReplicatedPostgres(join(scratch, 'databases'))
      const proxy = await openFaultProxy({ target: postgresOf(postgres.url()), draw })
      await postgres.renew()
      return {
        environment: { DATABASE_URL: overPort(postgres.url(), proxy.port) },
        database: () => postgres.url(),
        async strike(victim) {
          await sleep(draw() * 3_000)
          await postgres.failOver()
          proxy.lead(postgresOf(postgres.url()))
          const ms = await answeredAgain(victim, 'PostgreSQL failed over')
          await postgres.renew()
          return ms
        },
        async close() {
          await proxy.close()
          await postgres.close()
        },
      }
    }),
}
