import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { Keeper } from '#agent/checkpoints/keeper.ts'
import type { OpenStore } from '#model/checkpoint-store.ts'

export type Kept = {
  store: OpenStore
  keys(): string[]
  remove(key: string): void
  overwrite(key: string, text: string): void
}

const at = (rank: number, more: { attempt?: number; nodes?: number }) => ({ attempt: 1, nodes: 1, rank, ...more })

/** A keeper with a folder of its own, as each rank has on its machine. */
const rankOf = (context: TestContext, kept: Kept, { attempt, nodes, rank }: ReturnType<typeof at>) => {
  const root = mkdtempSync(join(tmpdir(), 'isobar-keeping-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  const said: string[] = []
  const place = { store: kept.store, workload: 'w-1', attempt, rank }
  const keeper = new Keeper({ place, nodes, root, say: (line) => void said.push(line), lookMs: 20 })
  return {
    keeper,
    said,
    write(path: string, bytes: string | Uint8Array) {
      const file = join(root, String(attempt), path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, bytes)
    },
    remove: (path: string) => rmSync(join(root, String(attempt), path)),
    read: (from: number, path: string) => readFileSync(join(root, String(from), path)),
    has: (from: number, path: string) => existsSync(join(root, String(from), path)),
    folders: () => readdirSync(root),
  }
}
const completes = (kept: Kept, attempt = 1) => kept.keys().filter((key) => key.includes(`/w-1/${attempt}/complete/`))
const until = async (what: string, is: () => boolean) => {
  for (const end = performance.now() + 60_000; !is(); await pause(5))
    if (performance.now() > end) assert.fail(`waited 60 s in vain until ${what}`)
}

type Open = (context: TestContext) => Promise<Kept>

/** What keeping checkpoints in a bucket means, whoever holds the bucket. */
export function describeKeeping(name: string, open: Open): void {
  describeOne(name, open)
  describeWhole(name, open)
  describeSeveral(name, open)
}

function describeOne(name: string, open: Open): void {
  test(`${name}: what an attempt saves is what the next one resumes from, byte for byte`, async (context) => {
    const kept = await open(context)
    const first = rankOf(context, kept, at(0, {}))
    assert.equal(await first.keeper.bring(), null)
    const large = randomBytes(33 * 1024 * 1024 + 7)
    first.write('step-1/weights.bin', large)
    first.write('step-1/.metadata', '{"step":1}')
    first.write('step-1/empty', '')
    first.write("names/it's 100% #1 & ü.pt", 'odd')
    first.write('half.tmp', 'not yet')
    assert.equal(await first.keeper.finish(), null)
    const second = rankOf(context, kept, at(0, { attempt: 2 }))
    assert.equal(await second.keeper.bring(), 1)
    assert.ok(second.read(1, 'step-1/weights.bin').equals(large))
    assert.equal(second.read(1, 'step-1/.metadata').toString(), '{"step":1}')
    assert.equal(second.read(1, 'step-1/empty').length, 0)
    assert.equal(second.read(1, "names/it's 100% #1 & ü.pt").toString(), 'odd')
    assert.deepEqual([second.has(1, 'half.tmp'), second.folders()], [false, ['1']])
  })

  test(`${name}: it is kept while the rank runs, and what is not needed any more goes`, async (context) => {
    const kept = await open(context)
    const rank = rankOf(context, kept, at(0, {}))
    rank.keeper.start()
    for (const step of [1, 2, 3, 4]) {
      rank.write('latest', `step ${step}`)
      rank.write(`step-${step}`, 'weights')
      if (step > 1) rank.remove(`step-${step - 1}`)
      const last = () => completes(kept).at(-1)
      const before = last()
      await until(`step ${step} is kept`, () => last() !== before)
    }
    assert.equal(await rank.keeper.finish(), null)
    const next = rankOf(context, kept, at(0, { attempt: 2 }))
    assert.equal(await next.keeper.bring(), 1)
    assert.equal(next.read(1, 'latest').toString(), 'step 4')
    assert.deepEqual([next.has(1, 'step-4'), next.has(1, 'step-1')], [true, false])
    assert.ok(completes(kept).length <= 2, completes(kept).join())
    assert.ok(!kept.keys().some((key) => key.endsWith('/step-1')), 'the first step is still in the bucket')
    assert.deepEqual(rank.said, [])
  })
}

function describeWhole(name: string, open: Open): void {
  test(`${name}: who writes all the time has what it finished kept, and nothing that it had only begun`, async (context) => {
    const kept = await open(context)
    const rank = rankOf(context, kept, at(0, {}))
    rank.keeper.start()
    let step = 0
    const writing = setInterval(() => {
      rank.write(`step-${String(++step).padStart(6, '0')}`, `step ${step}`)
      if (step < 40) rank.write('growing', 'x'.repeat(step))
      if (step === 40) rank.remove('growing')
    }, 15)
    context.after(() => clearInterval(writing))
    await until('a step is kept while more are written', () => completes(kept).length > 0)
    assert.ok(step >= 40, 'what grows was kept')
    const next = rankOf(context, kept, at(0, { attempt: 2 }))
    assert.equal(await next.keeper.bring(), 1)
    assert.equal(next.read(1, 'step-000001').toString(), 'step 1')
    clearInterval(writing)
    assert.equal(await rank.keeper.finish(), null)
  })

  test(`${name}: one that is not whole is passed over, and one that is damaged too`, async (context) => {
    const kept = await open(context)
    const first = rankOf(context, kept, at(0, {}))
    first.write('a', 'whole')
    await first.keeper.finish()
    const second = rankOf(context, kept, at(0, { attempt: 2 }))
    second.write('a', 'never whole')
    await second.keeper.finish()
    for (const key of completes(kept, 2)) kept.remove(key)
    const third = rankOf(context, kept, at(0, { attempt: 3 }))
    assert.equal(await third.keeper.bring(), 1)
    third.write('a', 'damaged later')
    await third.keeper.finish()
    for (const key of kept.keys().filter((one) => one.endsWith('/a') && one.includes('/w-1/3/')))
      kept.overwrite(key, 'other')
    const fourth = rankOf(context, kept, at(0, { attempt: 4 }))
    assert.equal(await fourth.keeper.bring(), 1)
    assert.equal(fourth.read(1, 'a').toString(), 'whole')
    assert.match(fourth.said.join(), /a checkpoint is damaged .*is not what was saved/)
  })
}

function describeSeveral(name: string, open: Open): void {
  test(`${name}: a checkpoint of a gang is whole when all ranks have theirs, and each resumes with all`, async (context) => {
    const kept = await open(context)
    const nodes = 3
    const ranks = [0, 1, 2].map((rank) => rankOf(context, kept, at(rank, { nodes })))
    for (const [number, rank] of ranks.entries()) {
      rank.write(`shard-${number}`, `of rank ${number}`)
      rank.write('shared', `by rank ${number}`)
    }
    const [leader, one, two] = ranks
    leader?.keeper.start()
    one?.keeper.start()
    await until('rank 1 has told its files', () => kept.keys().some((key) => /\/manifests\/\d+\/1$/.test(key)))
    assert.deepEqual(completes(kept), [])
    two?.keeper.start()
    await until('it is whole', () => completes(kept).length > 0)
    one?.write('shard-1', 'of rank 1, later')
    const ends = await Promise.all(ranks.map((rank) => rank.keeper.finish()))
    assert.deepEqual(ends, [null, null, null])
    const next = rankOf(context, kept, at(1, { attempt: 2, nodes }))
    assert.equal(await next.keeper.bring(), 1)
    const read = (path: string) => next.read(1, path).toString()
    assert.deepEqual(
      [read('shard-0'), read('shard-1'), read('shard-2'), read('shared')],
      ['of rank 0', 'of rank 1, later', 'of rank 2', 'by rank 0'],
    )
  })

  test(`${name}: attempts keep to themselves, and only the last ones are kept`, async (context) => {
    const kept = await open(context)
    for (const attempt of [1, 2, 3, 4]) {
      const rank = rankOf(context, kept, at(0, { attempt }))
      rank.write('a', `attempt ${attempt}`)
      assert.equal(await rank.keeper.finish(), null)
    }
    const attempts = new Set(kept.keys().map((key) => /\/w-1\/(\d+)\//.exec(key)?.[1]))
    assert.deepEqual([...attempts].sort(), ['3', '4'])
    // An attempt that was thought lost goes on for a while: nobody resumes from it when there is a later one.
    const late = rankOf(context, kept, at(0, { attempt: 2 }))
    late.write('a', 'late')
    await late.keeper.finish()
    const next = rankOf(context, kept, at(0, { attempt: 5 }))
    assert.equal(await next.keeper.bring(), 4)
    assert.equal(next.read(4, 'a').toString(), 'attempt 4')
  })

  test(`${name}: keys that do not open it say so at the start, and at the end`, async (context) => {
    const kept = await open(context)
    const wrong = { ...kept, store: { ...kept.store, keys: { ...kept.store.keys, AWS_SECRET_ACCESS_KEY: 'wrong' } } }
    const rank = rankOf(context, wrong, at(0, { attempt: 2 }))
    await assert.rejects(rank.keeper.bring(), /does not know the keys .*\nset the secret/)
    rank.write('a', 'lost')
    assert.match((await rank.keeper.finish()) ?? '', /does not know the keys/)
    assert.ok(!rank.said.join().includes('wrong'))
  })
}
