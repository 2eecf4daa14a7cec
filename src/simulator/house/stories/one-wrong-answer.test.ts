import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Trouble } from '#providers/simulated/trouble.ts'
import { aSite, aWatchedWorld } from '#rigs/watched-world.ts'

const hourLong = [{ prints: '', runMs: 3_600_000, exitCode: 0, stubborn: false }]

/** What a site may answer once although all is well there. */
const wrongAnswers: Trouble[] = [
  'unreachable',
  'throttled',
  'denied',
  'lost-reply',
  'old-view',
  'page-lost',
  'wrong-status',
]

for (const trouble of wrongAnswers)
  test(`one answer that is wrong (${trouble}) does not restart a healthy job, nor end it`, async () => {
    await using world = await aWatchedWorld({
      sites: [aSite('west', 4), aSite('east', 4)],
      faults: { lagMs: [3_600_000, 3_600_000] },
    })
    const id = await world.submit({ kind: 'job', name: 'healthy', run: 'train', nodes: 3 })
    world.cloud.script(id, hourLong)
    assert.ok(await world.runUntil(async () => (await world.stateOf(id)) === 'running', 60_000))
    // Again and again, and each time only once: whatever the wrong answer says of its ranks.
    for (let round = 0; round < 6; round++) {
      for (const site of ['west', 'east']) world.cloud.befall(site, trouble, { times: 1 })
      await world.runFor(10_000)
    }
    assert.equal(world.cloud.befell().filter(({ fault }) => fault === trouble).length >= 6, true, 'it never happened')
    assert.equal(await world.stateOf(id), 'running')
    const attempts = await world.store.workloads.attempts(id)
    assert.deepEqual(
      attempts.map(({ state, ranks }) => [state, ranks.map((rank) => rank.state)]),
      [['running', ['running', 'running', 'running']]],
    )
  })
