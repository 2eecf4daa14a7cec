import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'

import type { AgentOrder } from '#model/agent-folder.ts'
import type { Program } from '#model/agent-protocol.ts'
import type { CredentialedOrder } from '#model/order.ts'
import { agentFiles } from '#providers/agent-files.ts'
import { agentEntry } from './agent-in-pod.ts'
import { groupsOf, type Programmed } from './groups.ts'
import { folders } from './names.ts'
import { filesOf, markerOf, quoted } from './start-script.ts'

const program = (run: string, more: Partial<Program> = {}): Program => ({
  environment: {},
  setup: null,
  run,
  bundle: null,
  checkpointRoot: null,
  ports: [],
  readiness: null,
  slots: 0,
  ...more,
})

const order = (ranks: number, attempt = 1): CredentialedOrder => ({
  token: 'l-1',
  workload: 'w-1',
  attempt,
  site: 'east',
  tier: 'on-demand',
  ranks: Array.from({ length: ranks }, (_, rank) => ({
    rank,
    shape: { name: 's', accelerators: 0, acceleratorMemoryMiB: 0, cpuMilli: 1000, memoryMiB: 1, diskMiB: 1 },
  })),
  graceMs: 1000,
  controlPlanes: ['http://127.0.0.1:1'],
  credential: 'c',
})

const programmed = (asked: CredentialedOrder, programs: Program[]): Programmed => ({
  ...asked,
  programs,
  groups: groupsOf(asked),
})

type Ran = { child: ChildProcess; said(): string; complained(): string; over: Promise<unknown[]> }

/** Starts a rank as its container would: by a shell that leads its group, with the files of its gang before it. */
async function withRank(
  { programs, rank = 0, attempt = 1, path }: { programs: Program[]; rank?: number; attempt?: number; path?: string },
  body: (ran: Ran, folder: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-start-'))
  try {
    for (const name of ['program', 'work', 'checkpoints']) mkdirSync(join(folder, name))
    const here = (text: string) =>
      text
        .replaceAll(folders.program, join(folder, 'program'))
        .replaceAll(folders.work, join(folder, 'work'))
        .replaceAll(folders.checkpoints, join(folder, 'checkpoints'))
    for (const [name, text] of Object.entries(
      filesOf(programmed(order(programs.length, attempt), programs), { keeps: false, agent: null }),
    ))
      writeFileSync(join(folder, 'program', name), here(text))
    const child = spawn('/bin/sh', [join(folder, 'program', 'start')], {
      env: { PATH: path ?? process.env['PATH'], ISOBAR_FIRST_RANK: '0', JOB_COMPLETION_INDEX: String(rank) },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let said = ''
    let complained = ''
    child.stdout.on('data', (part: Buffer) => (said += String(part)))
    child.stderr.on('data', (part: Buffer) => (complained += String(part)))
    const printed = () => said.replace(markerOf('l-1', rank), '')
    await body({ child, said: printed, complained: () => complained, over: once(child, 'close') }, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const ends: [string, number][] = [
  ['exit 0', 0],
  ['exit 7', 7],
  ['exit 255', 255],
  ['kill -KILL $$', 137],
  ['kill -SEGV $$', 139],
  ['kill -TERM $$', 143],
]
for (const [run, code] of ends)
  test(`a program that ends by \`${run}\` ends its container with ${code}`, () =>
    withRank({ programs: [program(run)] }, async ({ over }) => {
      assert.deepEqual(await over, [code, null])
    }))

test('SIGTERM reaches the program and its children, which have time to save and to say how they end', () =>
  withRank(
    {
      programs: [
        program(`trap 'wait; echo saved; exit 9' TERM
sh -c 'trap "echo child saved; exit 0" TERM; echo up; while :; do sleep 0.05; done' &
wait`),
      ],
    },
    async ({ child, said, over }) => {
      while (said() !== 'up\n') await once(child.stdout ?? assert.fail(), 'data')
      child.kill('SIGTERM')
      assert.deepEqual([await over, said()], [[9, null], 'up\nchild saved\nsaved\n'])
    },
  ))

test('setup comes first, in the workdir, and what it ends with is how the rank ends', () =>
  withRank({ programs: [program('cat made', { setup: 'echo by setup >made' })] }, async ({ over, said }, folder) => {
    assert.deepEqual(await over, [0, null])
    assert.equal(said(), 'by setup\n')
    assert.equal(readFileSync(join(folder, 'work', 'made'), 'utf8'), 'by setup\n')
  }))

test('a setup that fails ends the rank with its code, and nothing runs', () =>
  withRank({ programs: [program('echo ran', { setup: 'exit 3' })] }, async ({ over, said }) => {
    assert.deepEqual([await over, said()], [[3, null], ''])
  }))

test('each rank runs the program of its own, and knows its place in the gang', () =>
  withRank(
    {
      programs: [
        program('exit 1'),
        program('echo $ISOBAR_RANK $NODE_RANK/$NNODES $MASTER_ADDR $ISOBAR_NODE_ADDRESSES'),
      ],
      rank: 1,
    },
    async ({ over, said }) => {
      assert.deepEqual(await over, [0, null])
      const name = 'isobar-l-1'
      assert.equal(said(), `1 1/2 ${name}-0.${name} ${name}-0.${name},${name}-1.${name}\n`)
    },
  ))

test('the environment arrives as it was written, and no spec overrides what Isobar promises', () => {
  const odd = `a "b" 'c' $HOME \`d\`\n\\e`
  const environment = { ODD: odd, ISOBAR_WORKLOAD: 'another', MASTER_PORT: '1' }
  return withRank(
    { programs: [program('printf "%s|" "$ODD" "$ISOBAR_WORKLOAD" "$MASTER_PORT"', { environment })] },
    async ({ over, said }) => {
      await over
      assert.equal(said(), `${odd}|w-1|1|`)
    },
  )
})

test('each attempt has a folder for checkpoints, and resumes from the latest that holds something', async () => {
  const root = mkdtempSync(join(tmpdir(), 'isobar-checkpoints-'))
  try {
    mkdirSync(join(root, '1'))
    writeFileSync(join(root, '1', 'step'), '')
    mkdirSync(join(root, '2'))
    await withRank(
      { programs: [program('echo $ISOBAR_CHECKPOINT_DIR $ISOBAR_RESUME_DIR', { checkpointRoot: root })], attempt: 3 },
      async ({ over, said }) => {
        await over
        assert.equal(said(), `${root}/3 ${root}/1\n`)
      },
    )
  } finally {
    rmSync(root, { recursive: true })
  }
})

async function until(is: () => boolean): Promise<void> {
  for (const end = performance.now() + 60_000; !is(); await pause(5))
    assert.ok(performance.now() < end, 'waited in vain')
}

const store = {
  bucket: 'b',
  prefix: '',
  endpoint: 'http://s3.test',
  region: 'r',
  addressing: 'path',
  keys: { K: 'hidden' },
} as const
/** As the keeper does: it appears with what it holds. */
function note(folder: string, name: string, text: string): void {
  const path = join(folder, 'checkpoints', name)
  writeFileSync(`${path}.part`, text)
  renameSync(`${path}.part`, path)
}
const kept = (run: string) => ({ programs: [program(run, { checkpointStore: store })], attempt: 2 })

test('a rank whose checkpoints are kept waits for them, and ends when the last of them is', async () => {
  const run = 'cat $ISOBAR_RESUME_DIR/step; echo 2 > $ISOBAR_CHECKPOINT_DIR/step'
  await withRank(kept(run), async ({ over, said, child }, folder) => {
    const root = join(folder, 'checkpoints')
    mkdirSync(join(root, '1'))
    writeFileSync(join(root, '1', 'step'), 'one\n')
    assert.ok(!existsSync(join(root, '2')))
    writeFileSync(join(root, '.ready'), '')
    await until(() => existsSync(join(root, '.ended')))
    assert.equal(readFileSync(join(root, '2', 'step'), 'utf8'), '2\n')
    assert.equal(child.exitCode, null)
    writeFileSync(join(root, '.saved'), '')
    assert.deepEqual([(await over)[0], said()], [0, 'one\n'])
  })
})

test('a checkpoint that cannot be brought or kept fails the rank with the reason, and a worse end stays what it is', async () => {
  await withRank(kept('echo never'), async ({ over, said, complained }, folder) => {
    note(folder, '.failed', 'denied\nask for it\n')
    assert.deepEqual([(await over)[0], said()], [125, ''])
    assert.match(complained(), /could not be started: denied\nask for it/)
  })
  for (const [run, code] of [
    ['true', 125],
    ['exit 9', 9],
  ] as const)
    await withRank(kept(run), async ({ over, complained }, folder) => {
      writeFileSync(join(folder, 'checkpoints', '.ready'), '')
      note(folder, '.unsaved', 'full\nmake room\n')
      assert.equal((await over)[0], code)
      assert.match(complained(), /its last checkpoint is not kept: full\nmake room/)
    })
})

test('the keys of a store are in nothing that a rank starts from', () => {
  const files = filesOf(programmed(order(1), [program('true', { checkpointStore: store })]), {
    keeps: false,
    agent: null,
  })
  assert.doesNotMatch(JSON.stringify(files), /hidden/)
})

test('a word stays one word of a shell, whatever is in it', () => {
  assert.equal(quoted(`it's`), `'it'\\''s'`)
})

test('where tasks are to be taken and the image has no Node, the rank says so', () =>
  withRank({ programs: [program('true', { slots: 8 })], path: '/nowhere' }, async ({ over, complained }) => {
    assert.deepEqual(await over, [125, null])
    assert.match(complained(), /its image has no Node/)
  }))

test('what ten thousand agents start from fits into a Secret, and each finds its own order there', async () => {
  const ranks = 10_000
  const programs = Array<Program>(ranks).fill(program('true', { slots: 2 }))
  const agent = await agentFiles(agentEntry)
  const files = filesOf(programmed(order(ranks), programs), { keeps: true, agent })
  const size = Object.values(files).reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  assert.ok(size < 1024 * 1024, `it has ${size} bytes`)
  const packed = Buffer.from(files['agent-orders'] ?? '', 'base64')
  const orders = JSON.parse(gunzipSync(packed).toString()) as AgentOrder[] // written by us
  assert.deepEqual(
    orders.map(({ rank }) => rank),
    programs.map((_, rank) => rank),
  )
  assert.equal(new Set(orders.map(({ address }) => address)).size, ranks)
})
