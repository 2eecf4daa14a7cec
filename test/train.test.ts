import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const scratch = mkdtempSync(join(tmpdir(), 'isobar-train-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

/** Runs the example's gang of two by hand, as an agent would, and gives rank 0's lines and both exit codes. */
async function train(env: Record<string, string>, onLine?: (line: string, stop: () => void) => void) {
  const port = String(20_000 + (process.pid % 20_000))
  const ranks = ['0', '1'].map((rank) =>
    spawn(process.execPath, ['examples/train/train.ts'], {
      env: { PATH: process.env['PATH'], NODE_RANK: rank, NNODES: '2', MASTER_PORT: port, SAVE_EVERY: '5', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  )
  const lines: string[] = []
  const stop = () => ranks.forEach((rank) => rank.kill('SIGTERM'))
  let rest = ''
  ranks[0]?.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) {
      lines.push(line)
      onLine?.(line, stop)
    }
  })
  const codes = await Promise.all(ranks.map((rank) => new Promise((resolve) => rank.on('close', resolve))))
  return { lines, losses: lines.filter((line) => line.includes('loss')), codes }
}

test('the example trains to the same losses bit for bit when it is stopped midway and resumed', async () => {
  const whole = await train({ STEPS: '14' })
  assert.deepEqual(whole.codes, [0, 0])
  const begun = await train({ STEPS: '14', ISOBAR_CHECKPOINT_DIR: join(scratch, '1') }, (line, stop) => {
    if (line.startsWith('step 7/')) stop()
  })
  assert.deepEqual(begun.codes, [143, 143], 'SIGTERM ends it with a checkpoint')
  assert.ok(begun.losses.length < 14, 'it was stopped before its end')
  assert.equal(readdirSync(join(scratch, '1')).filter((name) => name.endsWith('.part')).length, 0)
  const resumed = await train({
    STEPS: '14',
    ISOBAR_CHECKPOINT_DIR: join(scratch, '2'),
    ISOBAR_RESUME_DIR: join(scratch, '1'),
  })
  assert.equal(resumed.lines[0], `resumed from step ${begun.losses.length}`)
  assert.deepEqual([...begun.losses, ...resumed.losses], whole.losses)
})
