import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { test, type TestContext } from 'node:test'

import type { Order } from '#model/order.ts'
import type { AcceleratorPart } from '#model/resources.ts'

import { assign } from './assign.ts'
import { releaseAll } from './claims.ts'
import { openLocalRig, smallShape, valueOf } from './rig.ts'
import { prepareSite, siteFolder } from './site-folder.ts'

const shape = { ...smallShape, accelerator: 'A100', accelerators: 2, acceleratorMemoryMiB: 40_960 }
const node = { name: 'n0', shape, path: ['n0'], usable: true }
const slices = ['1g.5gb', '1g.5gb', '3g.20gb'].map((profile, i) => ({ accelerator: 1, profile, uuid: `MIG-${i}` }))

/** A site of one node with two accelerators. What is assigned counts as launched until it is given back. */
async function open(context: TestContext, cut: typeof slices = []) {
  const rig = openLocalRig('http://127.0.0.1:1', shape)
  context.after(() => rig.close())
  const folder = siteFolder(rig.site.root)
  await prepareSite(folder)
  let orders = 0
  type Asked = { whole?: number; part?: AcceleratorPart }
  /** The accelerators of one rank, or the fault. */
  const takeAt = async (at: typeof folder, asked: Asked): Promise<(number | string)[] | string> => {
    const token = `l-${orders++}`
    const rank = { rank: 0, shape: { ...smallShape, accelerators: asked.whole ?? 0, cpuMilli: 1 } }
    const ranks: Order['ranks'] = [{ ...rank, ...(asked.part && { part: asked.part }) }]
    const assigned = await assign({ folder: at, nodes: [node], slices: cut }, { ...rig.order({ token }), ranks })
    if (!assigned.ok) return assigned.fault.detail
    await mkdir(folder.order(token))
    return valueOf(assigned).ranks[0]?.accelerators ?? []
  }
  return {
    take: (asked: Asked) => takeAt(folder, asked),
    takeElsewhere: (asked: Asked) => takeAt({ ...folder }, asked),
    async end(number: number): Promise<void> {
      rmSync(folder.order(`l-${number}`), { recursive: true })
      await releaseAll(folder, `l-${number}`)
    },
  }
}

const share = (device: number, shareMilli: number) => ({ part: { device, shareMilli } })

test('shares of one number see one accelerator, those of another number another one', async (context) => {
  const { take } = await open(context)
  assert.deepEqual(await take(share(1, 500)), [0])
  assert.deepEqual(await take(share(0, 300)), [1])
  assert.deepEqual(await take(share(1, 500)), [0])
  assert.deepEqual(await take(share(0, 700)), [1])
})

test('an accelerator is never shared and whole, nor shared beyond all of it', async (context) => {
  const { take, end } = await open(context)
  assert.deepEqual(await take(share(0, 600)), [0])
  assert.deepEqual(await take({ whole: 1 }), [1])
  assert.equal(await take({ whole: 1 }), 'n0 has no 1 free accelerators')
  assert.equal(await take(share(0, 500)), 'n0 has no accelerator with 500 thousandths free')
  assert.equal(await take(share(1, 100)), 'n0 has no accelerator with 100 thousandths free')
  await end(0)
  assert.deepEqual(await take({ whole: 1 }), [0])
  await end(1)
  assert.deepEqual(await take(share(5, 100)), [1])
})

const allAtOnce = [share(0, 600), share(0, 300), { whole: 1 }, share(0, 100), { whole: 1 }]

test('who comes at the same time is given what is there as if one came after the other', async (context) => {
  const { take } = await open(context)
  const [large, small, whole, ...others] = await Promise.all(allAtOnce.map((asked) => take(asked)))
  assert.deepEqual([large, small, whole], [[0], [0], [1]])
  assert.deepEqual(others, [[0], 'n0 has no 1 free accelerators'])
})

test('of those that come at once in several processes none has too much', async (context) => {
  const { takeElsewhere } = await open(context)
  const taken = await Promise.all(allAtOnce.map((asked) => takeElsewhere(asked)))
  const [shared, whole] = [
    [0, 1, 3],
    [2, 4],
  ].map((those) => those.flatMap((i) => (Array.isArray(taken[i]) ? taken[i] : [])))
  assert.ok(shared && whole)
  assert.ok(new Set(shared).size <= 1, JSON.stringify(taken))
  assert.equal(new Set([...shared, ...whole]).size, new Set(shared).size + whole.length)
})

test('a slice is one that the machine is cut into, and nobody has an accelerator whole that is cut', async (context) => {
  const { take, end } = await open(context, slices)
  const slice = (profile: string) => take({ part: { device: 0, shareMilli: 143, profile, start: 0 } })
  assert.deepEqual([await slice('1g.5gb'), await slice('1g.5gb')], [['MIG-0'], ['MIG-1']])
  assert.equal(await slice('1g.5gb'), 'n0 has no free slice 1g.5gb; it is cut into 1g.5gb, 3g.20gb')
  assert.equal(await take({ whole: 2 }), 'n0 has no 2 free accelerators')
  assert.deepEqual(await take(share(1, 100)), [0])
  await end(0)
  assert.deepEqual(await slice('1g.5gb'), ['MIG-0'])
})

test('a machine that is not cut says so', async (context) => {
  const { take } = await open(context)
  const slice = await take({ part: { device: 0, shareMilli: 143, profile: '1g.5gb', start: 0 } })
  assert.equal(slice, 'n0 has no free slice 1g.5gb; its accelerators are not cut')
})
