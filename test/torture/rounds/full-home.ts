import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { answeredAgain, withOnePlane } from '#test/torture/one-plane.ts'
import type { Round } from '#test/torture/round.ts'
import { smallDisk } from '#test/torture/small-disk.ts'
import type { Victim } from '#test/torture/victim.ts'
import type { Expected } from '#test/torture/work.ts'
import { placeAt } from '#store/embedded/place.ts'

export const fullHome: Round = {
  about: 'the disk of the state directory is full for a while; work goes on, and every line of log is there in the end',
  run: (setting) =>
    withOnePlane(setting, { name: 'the disk of the state directory was full' }, ({ home }) => {
      const { scratch, draw } = setting
      const disk = smallDisk(home, 32)
      // The database and the site are elsewhere.
      mkdirSync(join(home, 'pg'), { mode: 0o700 })
      writeFileSync(join(home, 'pg', 'where.json'), JSON.stringify({ home: placeAt(join(scratch, 'pg')).home }))
      return {
        async strike(victim) {
          await sleep(draw() * 1_500)
          disk.fill()
          await sleep(draw() * 3_000)
          if (draw() < 0.3) {
            await victim.kill()
            victim.start()
            await sleep(draw() * 2_000)
          }
          disk.free()
          // One that was started without room says so and ends.
          if ((await victim.ready(30_000)) === null) victim.start()
          return answeredAgain(victim, 'the disk of the state directory was full and has room again')
        },
        calm: () => disk.free(),
        check: (victim, { expected }) => logsOf(victim, expected),
        close: () => disk.close(),
      }
    }),
}

/** What each rank said of its start and its end must be in its log. */
async function logsOf(victim: Victim, expected: Expected[]): Promise<string[]> {
  const wrong: string[] = []
  for (const { name, ranks } of expected.filter(({ maybe }) => !maybe))
    for (let rank = 0; rank < ranks; rank++) {
      const log = await victim.text(`/v1/workloads/${name}/logs?rank=${rank}`)
      const said = log.split('\n').map((line) => line.replace(/^.* (start|end)$/, '$1'))
      if (said.join(' ').trim() !== 'start end') wrong.push(`the log of rank ${rank} of ${name} is "${log}"`)
    }
  return wrong
}
