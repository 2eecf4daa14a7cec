import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { test } from 'node:test'

import type { CheckView } from '#api/server-views.ts'
import { createClock } from '#kit/clock.ts'
import { aStore } from '#rigs/postgres.ts'
import { reached } from '#rigs/story.ts'
import { aHome } from '#rigs/server.ts'
import { anOffer } from '#test/builders.ts'
import { examine } from './doctor.ts'

const named = (checks: CheckView[]) => Object.fromEntries(checks.map((check) => [check.name, check]))

test('what is not right is told with what is wrong and the command that mends it; all else is checked too', async (t) => {
  const home = aHome(t)
  await using store = await aStore()
  const clock = { ...createClock(), now: () => Date.now() - 600_000 }
  const site = { provider: 'local' as const, name: 'west', jurisdictions: ['US'], patienceMs: 5000 }
  await store.sites.put(site, clock.now())
  await reached(store, { reach: 'unreachable', since: clock.now(), detail: 'no route' })
  await store.sites.offered('local/west', [anOffer({ site: 'west', asOf: clock.now() - 400_000 })], null, clock.now())
  chmodSync(home, 0o755)
  const found = named(await examine({ home, store, clock }))
  const told = (name: string) => [found[name]?.ok, found[name]?.warning, found[name]?.detail, found[name]?.fix]
  assert.deepEqual(told('state directory'), [false, undefined, `others may read ${home}`, `chmod go= ${home}`])
  assert.deepEqual(told('sites'), [false, undefined, 'local/west is unreachable (no route)', 'isobar sites'])
  assert.deepEqual(told('offers'), [false, true, 'local/west had none for five minutes', 'isobar sites'])
  assert.match(
    String(found['clock']?.detail),
    /^the wall clock was set by 600\.\d s; the house goes on with its own time$/,
  )
  assert.match(String(found['clock']?.fix), /isobar server stop/)
  for (const name of ['disk', 'database', 'limits', 'accelerators']) assert.ok(found[name], name)
  await reached(store, { reach: 'reachable', since: clock.now() + 1, detail: 'its token ends; renew it' })
  const { sites } = named(await examine({ home, store, clock }))
  assert.deepEqual([sites?.ok, sites?.warning, sites?.detail], [false, true, 'local/west: its token ends; renew it'])
})

test('without a site, and without a database, the doctor says so and does not fall over', async (t) => {
  const home = aHome(t)
  const store = await aStore()
  const none = named(await examine({ home, store, clock: createClock() }))
  assert.deepEqual([none['sites']?.ok, none['sites']?.detail], [false, 'there is none'])
  assert.ok(none['clock']?.ok && none['state directory']?.ok)
  await store.close()
  const dead = named(await examine({ home, store, clock: createClock() }))
  assert.match(String(dead['database']?.detail), /^it does not answer: /)
  assert.equal(dead['database']?.fix, 'isobar server stop && isobar server start')
})
