import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { openFaultProxy, overPort, postgresOf } from '#rigs/fault-proxy.ts'
import { aDatabase } from '#rigs/postgres.ts'
import { listen } from './listener.ts'

test('who listens on a connection that the network forgot notices, connects again, and looks at everything', async (t) => {
  const url = await aDatabase()
  const proxy = await openFaultProxy({ target: postgresOf(url), draw: Math.random })
  t.after(() => proxy.close())
  const listener = await listen(overPort(url, proxy.port), { everyMs: 50, mostMs: 200 })
  t.after(() => listener.close())
  const nudged = new Set<string>()
  listener.on((nudge) => nudged.add(nudge))
  proxy.trouble([{ kind: 'lost' }])
  proxy.calm()
  for (const until = performance.now() + 10_000; !nudged.has('retire'); await pause(10))
    assert.ok(performance.now() < until, 'all are nudged after it has connected again')
  nudged.clear()
  await pause(300)
  assert.deepEqual([...nudged], [], 'a connection that answers is kept')
})
