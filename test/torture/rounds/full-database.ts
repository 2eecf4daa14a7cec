import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { answeredAgain, embeddedUrl, withOnePlane } from '#test/torture/one-plane.ts'
import type { Round } from '#test/torture/round.ts'
import { smallDisk } from '#test/torture/small-disk.ts'
import { withClient } from '#test/torture/verify.ts'

/** PostgreSQL ends when its log has no room, and is started again every five seconds at the latest. */
const mostBackMs = 15_000

const isClear = (said: string) => /disk of the database is full|does not answer/i.test(said)

export const fullDatabase: Round = {
  about: 'the disk of the database is full for a while; what is refused says why, and all is back within 15 s',
  run: (setting) =>
    withOnePlane(setting, { name: 'the disk of the database was full', mostBackMs }, ({ home }) => {
      const { scratch, draw } = setting
      const disk = smallDisk(join(scratch, 'disk'), 400)
      // Where a state directory has its database is written there.
      mkdirSync(join(home, 'pg'), { recursive: true, mode: 0o700 })
      writeFileSync(join(home, 'pg', 'where.json'), JSON.stringify({ home: join(disk.path, 'pg') }))
      let url: string | undefined
      return {
        async strike(victim) {
          await sleep(draw() * 1_000)
          url ??= await embeddedUrl(home)
          disk.fill()
          if (draw() < 0.5) await useUpLog(url)
          await sleep(500 + draw() * 4_000)
          disk.free()
          return answeredAgain(victim, 'the disk of the database was full and has room again')
        },
        check: async (_victim, { said }) =>
          [...said].filter((text) => !isClear(text)).map((text) => `while the disk was full it said: ${text}`),
        close: () => disk.close(),
      }
    }),
}

/** The log has room in files that are there already: so many are begun until there is none left. */
async function useUpLog(url: string): Promise<void> {
  const use = async () =>
    withClient(url, async (client) => {
      for (let i = 0; i < 40; i++)
        for (const text of ["select pg_logical_emit_message(false, 'torture', 'x')", 'select pg_switch_wal()'])
          await client.query(text)
    })
  await use().catch(() => {}) // it has ended: that was the point
}
