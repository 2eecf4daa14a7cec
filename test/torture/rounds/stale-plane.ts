import { setTimeout as sleep } from 'node:timers/promises'

import { createFeeder } from '#test/torture/feeder.ts'
import { holdingsOf, moved, openPlanes } from '#test/torture/planes.ts'
import type { Round } from '#test/torture/round.ts'
import { quiet, violations, withClient } from '#test/torture/verify.ts'
import type { Victim } from '#test/torture/victim.ts'

/** What it held in the middle of a transaction is free when the database ends that, 10 s later; claims last up to 8 s. */
const mostTakeOverMs = 20_000
const claimsLastMs = 8_000

/**
 * One of two control planes is stopped for longer than its claims last, at any instruction, while the other goes on; then
 * it wakes in the middle of what it did, and believes that all is still its own.
 */
export const stalePlane: Round = {
  about: 'SIGSTOP of one of two control planes for longer than its claims last; it wakes, and nothing happens twice',
  run: async (setting) => {
    const { scratch, draw, kills, strikeMs, settleMs, slack } = setting
    const { planes, url, sites, close } = await openPlanes(scratch)
    let [going, stopped] = planes
    const feeder = createFeeder({ setting, post: (...asked) => going.api(...asked) })
    try {
      await feeder.give(Math.ceil(setting.workloads / 2))
      const feeding = feeder.run()
      const back: number[] = []
      for (const until = performance.now() + strikeMs; back.length < kills && performance.now() < until;) {
        if (draw() < 0.5) [going, stopped] = [stopped, going]
        await sleep(draw() * 2_000)
        const ms = await whileStopped({ going, stopped, url })
        back.push(ms)
        // Who had claimed no loop is stopped for long as well: it may be in the middle of an operation.
        await sleep(Math.max(0, claimsLastMs - ms) + draw() * 2_000)
        stopped.wake()
        if ((await stopped.ready(30_000)) === null) throw new Error('A control plane that was stopped did not go on')
      }
      feeder.end()
      const wrong = await feeding
      await quiet(url, settleMs)
      wrong.push(...(await violations({ url, scratch, sites, expected: feeder.expected, losses: false })))
      const slowest = Math.max(0, ...back)
      if (slowest > mostTakeOverMs * slack)
        wrong.push(`the other had all after ${Math.round(slowest)} ms, and ${mostTakeOverMs} are allowed`)
      const told = `a control plane was stopped ${back.length} times while ${feeder.expected.length} workloads ran`
      return { told, strikes: back.length, back, wrong }
    } finally {
      for (const plane of planes) plane.wake()
      await close()
    }
  },
}

/** Stops one, and returns after how long the other has all that it had claimed. */
const whileStopped = ({ going, stopped, url }: { going: Victim; stopped: Victim; url: string }): Promise<number> =>
  withClient(url, async (client) => {
    const { id: heir } = await going.api<{ id: string }>('GET', '/v1/server')
    const held = await holdingsOf(client, stopped)
    stopped.stop()
    const began = performance.now()
    while (!(await moved(client, { ...held, heir })) && performance.now() - began < 60_000) await sleep(50)
    return performance.now() - began
  })
