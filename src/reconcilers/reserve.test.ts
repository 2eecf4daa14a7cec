import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'

import { keepMs } from '#engine/growing/target.ts'
import { succeed } from '#model/fault.ts'
import type { NodePool } from '#model/node-pool.ts'
import { Spec } from '#model/spec/spec.ts'
import { createSimulated } from '#providers/simulated/simulated.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { aLoopHouse } from '#rigs/loop-house.ts'
import { aStore } from '#test/rigs/postgres.ts'
import { reserve } from './reserve.ts'

const signal = new AbortController().signal
const accelerators = { accelerator: 'GB200', accelerators: 4, acceleratorMemoryMiB: 0 }
const shape = { name: '4xGB200', ...accelerators, cpuMilli: 8000, memoryMiB: 16_384, diskMiB: 102_400 }
const racks = { name: 'gb200', target: 36, current: 36, most: 54, step: 18, added: 0 }

/** A house with a site of racks, whose pool is as its site tells; what it is asked for, a list keeps. */
async function aHouse(t: TestContext) {
  const clock = createFakeClock()
  const store = await aStore({ clock })
  t.after(() => store.close())
  const pools = [{ tier: 'reserved' as const, shape, priceMicros: 1, nodes: 36 }]
  const site = { name: 'here', jurisdictions: ['DE'], patienceMs: 20_000, pools }
  const provider = createSimulated({ seed: 1, sites: [site], faults: {}, clock }).open()
  const asked: number[] = []
  let pool: NodePool = racks
  const abilities: typeof provider.abilities = {
    ...provider.abilities,
    reserve: async (_, { nodes }) => {
      asked.push(nodes)
      return succeed({ ...pool, target: nodes, added: nodes - 36 })
    },
  }
  const house = aLoopHouse(store, { ...provider, abilities }, clock)
  const [info] = provider.sites()
  assert.ok(info)
  await store.sites.put(info, clock.now())
  return {
    house,
    store,
    clock,
    asked,
    /** What its site tells of the pool, with its nodes. */
    async tells(fields: Partial<NodePool>) {
      pool = { ...racks, ...fields }
      const nodes = Array.from({ length: pool.current }, (_, at) => ({
        name: `n${at}`,
        shape,
        path: [`rack-${Math.floor(at / 18)}`, 'here'],
        usable: true,
      }))
      const offer = {
        provider: 'simulated',
        site: 'here',
        tier: 'reserved',
        shape,
        divisible: true,
        images: true,
      } as const
      const told = { priceMicros: 1, available: nodes.length, source: 'the test', asOf: clock.now(), pools: [pool] }
      await store.sites.offered('simulated/here', [{ ...offer, ...told }], nodes, clock.now())
    },
    turn: () => reserve.turn(house, signal),
    told: async () => (await store.events.since(null, { most: 100 })).filter(({ type }) => type.startsWith('pool.')),
  }
}

test('a pool is asked once for the rack that somebody waits for, and it is told', async (t) => {
  const { store, clock, tells, turn, asked, told } = await aHouse(t)
  await tells({})
  await turn()
  assert.deepEqual(asked, [])
  const spec = Spec.parse({ kind: 'job', name: 'gang', run: 'x', nodes: 40, resources: { accelerators: 'GB200:4' } })
  const row = { id: 'w-1', name: 'gang', project: 'default', kind: 'job', spec, bundle: null } as const
  await store.workloads.submit([{ ...row, priority: spec.priority, submittedBy: 'tester' }], clock.now())
  await turn()
  await turn()
  assert.deepEqual(asked, [54], 'its site has not told of it yet')
  await tells({ target: 54, added: 18 })
  await clock.advance(120_000)
  await turn()
  assert.deepEqual(asked, [54], 'it is on its way')
  assert.deepEqual(
    (await told()).map(({ message }) => message),
    ['NodePool gb200 of simulated/here was asked for 18 more nodes, 54 in all: gang waits for them'],
  )
})

test('what was added and nobody wants is given back after a while, also by a process that starts anew', async (t) => {
  const { clock, tells, turn, asked, told, house } = await aHouse(t)
  await tells({ target: 54, current: 54, added: 18 })
  await turn()
  await clock.advance(keepMs - 1)
  await turn()
  assert.deepEqual(asked, [])
  await reserve.turn({ ...house }, signal)
  assert.deepEqual(asked, [], 'it looks for as long itself')
  await clock.advance(1)
  await turn()
  assert.deepEqual(asked, [36])
  assert.match((await told())[0]?.message ?? '', /gives back 18 nodes, 36 in all: nobody has wanted them for a while/)
})
