import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { howToGetSlurm, slurmHere, startSlurm } from './slurm.ts'

test(
  'a Slurm controller of one’s own gives nodes to what was submitted, once its partition is open',
  { skip: slurmHere() === null ? howToGetSlurm : false },
  async (t) => {
    const slurm = await startSlurm({ nodes: 64, fanOut: 4, select: 'linear' })
    t.after(slurm.stop)
    await Promise.all([1, 1, 8].map((nodes) => slurm.submit(nodes)))
    assert.equal(await slurm.started(), 0)
    await slurm.open()
    for (const deadline = performance.now() + 20_000; (await slurm.started()) < 3; await pause(50))
      assert.ok(performance.now() < deadline, 'it did not start what has room')
    assert.ok(slurm.processorSeconds() >= 0)
  },
)
