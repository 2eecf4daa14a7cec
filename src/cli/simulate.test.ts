import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'

import { policies } from '#simulator/policies/policies.ts'
import type { MakeScheduler } from '#simulator/replay/scheduler.ts'
import type { Report } from '#simulator/report/report.ts'

import { callMain } from './captured.ts'

const folder = mkdtempSync(join(tmpdir(), 'isobar-simulate-'))
after(() => rmSync(folder, { recursive: true }))

const isobar = (...argv: string[]) => callMain(['simulate', ...argv], { cwd: folder })
const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
const reportOf = (stdout: string): Report => JSON.parse(stdout)

write(
  'fleet.yaml',
  'sites: [{ provider: aws, name: us-east-1, nodes: [{ shape: p5, count: 2, accelerators: 8, price: $40/h }] }]\n',
)
write('jobs.csv', 'arrival,duration,gpus,kind\n0,2h,12,train\n1h,1h,16,train\n70m,10m,4,test\n')
write('scenario.yaml', 'outages: [{ provider: aws, at: 30m, for: 1h }]\ncheckpoint: 10m\n')

test('a simulation without a server tells its figures, kinds and digest, and needs no configuration', async () => {
  const { code, stdout, stderr } = await isobar('fleet.yaml', 'jobs.csv')
  assert.equal(code, 0, stderr)
  assert.equal(stderr, '')
  assert.match(stdout, /^FIGURE +ISOBAR\njobs +3\nended +3\n/)
  assert.match(stdout, /isobar: waits by kind\nKIND +JOBS +MEAN[^\n]*\ntest +1 +0ms/)
  assert.match(stdout, /\nDecisions, seed 1\nisobar +[0-9a-f]{32}\n$/)
})

test('several policies stand side by side, and a scenario changes what happens', async () => {
  const { stdout } = await isobar(
    'fleet.yaml',
    'jobs.csv',
    '--policy',
    'fifo,srtf',
    '--scenario',
    'scenario.yaml',
    '-o',
    'json',
  )
  const { runs, scenario, interrupted } = reportOf(stdout)
  assert.deepEqual(
    [runs.map(({ policy }) => policy), scenario?.endsWith('scenario.yaml'), interrupted],
    [['fifo', 'srtf'], true, false],
  )
  assert.deepEqual(
    runs.map(({ figures }) => [figures.losses, figures.lostHours]),
    [
      [1, 0],
      [1, 0],
    ],
  )
})

test('an earlier simulation is compared with, and a page is written', async () => {
  write('before.json', (await isobar('fleet.yaml', 'jobs.csv', '--policy', 'fifo', '-o', 'json')).stdout)
  const { code, stdout, stderr } = await isobar(
    'fleet.yaml',
    'jobs.csv',
    '--policy',
    'sjf',
    '--against',
    'before.json',
    '--html',
    'page.html',
  )
  assert.equal(code, 0, stderr)
  assert.match(stdout, /\nsjf against fifo\nFIGURE +BEFORE +NOW +DIFFERENCE\n(.*\n)*wait, mean +56\.7m +20m +−36\.7m\n/)
  assert.match(stdout, /\ncost +\$246\.66 +\$240\.00 +−\$6\.66\n/)
  assert.equal(stderr, 'wrote page.html\n')
  assert.match(readFileSync(join(folder, 'page.html'), 'utf8'), /^<!doctype html>[^]*<svg /)
})

test('quotas of a file of projects are tried, and what is wrong with it is told with its place', async () => {
  write('projects.yaml', 'name: default\nquota: { accelerators: 8 }\n')
  write('pairs.csv', 'arrival,duration,gpus\n0,1h,8\n0,1h,8\n')
  const waits = async (...argv: string[]) => {
    const { stdout } = await isobar('fleet.yaml', 'pairs.csv', '--policy', 'isobar', '-o', 'json', ...argv)
    return reportOf(stdout).runs.map(({ figures }) => figures.waitMeanMs)
  }
  assert.deepEqual(await waits(), [0])
  assert.deepEqual(await waits('--projects', 'projects.yaml'), [1_800_000])
  write('projects.yaml', 'name: default\nquotas: { accelerators: 8 }\n')
  const { code, stderr } = await isobar('fleet.yaml', 'pairs.csv', '--projects', 'projects.yaml')
  assert.equal(code, 2)
  assert.match(stderr, /projects\.yaml:2:1: quotas: [^]*fix: did you mean quota\?/)
})

test('a page that cannot be written costs nobody the figures', async () => {
  const { code, stdout, stderr } = await isobar('fleet.yaml', 'jobs.csv', '--html', 'none/page.html')
  assert.equal(code, 1)
  assert.match(stdout, /^FIGURE +ISOBAR\njobs +3\n/)
  assert.match(stderr, /^error: the page none\/page\.html cannot be written\n.*ENOENT.*\nnext: ls -ld none\n$/)
})

test('what is wrong with a file, a policy or a number is told with its place and fix, and exits with 2', async () => {
  write('wrong.csv', 'arrival,duration,gpus\n0,2h,8\n0,soon,8\n')
  const wrong = await isobar('fleet.yaml', 'wrong.csv')
  assert.equal(wrong.code, 2)
  assert.equal(wrong.stdout, '')
  assert.match(
    wrong.stderr,
    /^error: .*wrong\.csv:3:3: duration: "soon" is not a duration\n {2}0,soon,8\n {4}\^\nfix: write for example 90s/,
  )
  const cases = [
    [['fleet.yaml'], /a simulation needs a trace too/],
    [['fleet.yaml', 'none.csv'], /none\.csv:1:1: cannot be read/],
    [['fleet.yaml', 'jobs.csv', '--policy', 'sfj'], /there is no policy "sfj"; did you mean sjf\?/],
    [['fleet.yaml', 'jobs.csv', '--seed', '-1'], /--seed is "-1"/],
    [['jobs.csv', 'fleet.yaml'], /jobs\.csv:\d+:\d+: /],
  ] as const
  for (const [argv, what] of cases) {
    const { code, stderr } = await isobar(...argv)
    assert.equal(code, 2, argv.join(' '))
    assert.match(stderr, what)
    assert.match(stderr, /\nnext: isobar simulate .+\n$/)
  }
})

test("a policy of one's own is a module that exports an order, and what is wrong with it is told", async () => {
  write('longest.mjs', 'export const policy = { key: ({ job }) => -job.durationMs }\n')
  write('odd.mjs', 'export const policy = { key: ({ job }) => job.nothing }\n')
  write('none.mjs', 'export const order = 1\n')
  write('broken.mjs', 'export const policy = {\n')
  write('queue.csv', 'arrival,duration,gpus,id\n0,1h,16,a\n1m,1h,16,b\n2m,2h,16,c\n')
  const own = await isobar('fleet.yaml', 'queue.csv', '--policy', 'sjf,./longest.mjs', '-o', 'json')
  const waits = reportOf(own.stdout).runs.map(({ policy, figures }) => [policy, figures.completionMeanMs])
  assert.deepEqual(waits, [
    ['sjf', ((60 + 119 + 238) * 60_000) / 3],
    ['longest.mjs', ((60 + 178 + 239) * 60_000) / 3],
  ])
  for (const [file, what] of [
    ['odd.mjs', /odd\.mjs:1:25: its key of a is undefined[^]*fix: let it return a number/],
    ['none.mjs', /none\.mjs:1:1: it exports no policy with a key[^]*fix: write it like export const policy/],
    ['broken.mjs', /broken\.mjs:1:1: it does not load: SyntaxError/],
    ['absent.ts', /absent\.ts:1:1: cannot be read: ENOENT: no such file or directory\nfix: correct the path/],
  ] as const) {
    const { code, stderr } = await isobar('fleet.yaml', 'queue.csv', '--policy', `./${file}`)
    assert.equal(code, 2, file)
    assert.match(stderr, what)
  }
})

/** Asks to be asked at once again, for ever. */
const greedy: MakeScheduler = () => ({
  name: 'greedy',
  waits() {},
  left() {},
  decide: (now) => now,
})

test('a policy that breaks a rule ends the simulation with the facts, and with 1', async () => {
  const all = policies as Map<string, MakeScheduler> // only here somebody adds to them
  all.set('greedy', greedy)
  const { code, stdout, stderr } = await isobar('fleet.yaml', 'jobs.csv', '--policy', 'greedy')
  all.delete('greedy')
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /^error: a rule is broken, and the simulation ends here: greedy, 0ms on: it wants to look again/)
})

test('who looks on at a terminal is told how far it is, and nobody else', async () => {
  write('long.csv', `arrival,duration,gpus\n${'0,1h,1\n'.repeat(60_000)}`)
  // All together take much longer than it is silent for, on a fast machine too.
  const all = 'srtf,fifo,sjf,srsf,las'
  const argv = ['simulate', 'fleet.yaml', 'long.csv', '--policy', all, '-o', 'json']
  let [told, line] = ['', '']
  const stderr = new Writable({
    write(part: Buffer, _, done) {
      told += part.toString('utf8')
      line = /\w+: \d+ %, \d+ of 60000 jobs, day \d+/.exec(told)?.[0] ?? ''
      // Once it has told how far it is, that is all there is to see.
      if (line !== '') process.emit('SIGINT')
      done()
    },
  })
  const { stdout } = await callMain(argv, { cwd: folder, stderr, tty: { stdin: false, stdout: false, stderr: true } })
  assert.notEqual(line, '', told)
  assert.equal(reportOf(stdout).traces[0]?.jobs, 60_000)
})

test('Ctrl-C reports what came until then, says so, and exits with 130', async () => {
  write('many.csv', `arrival,duration,gpus\n${'0,1h,1\n'.repeat(60_000)}`)
  const others = process.listenerCount('SIGINT')
  const running = isobar('fleet.yaml', 'many.csv', '--policy', 'srtf', '-o', 'json')
  while (process.listenerCount('SIGINT') === others) await turn()
  process.emit('SIGINT') // it has read all, and breathes for the first time
  const { code, stdout, stderr } = await running
  assert.equal(code, 130)
  assert.equal(stderr, 'interrupted: this is what came until then\n')
  const { interrupted, runs } = reportOf(stdout)
  assert.equal(interrupted, true)
  const { jobs, ended, waiting, running: on } = runs[0]?.figures ?? {}
  assert.equal(Number(ended) + Number(waiting) + Number(on), jobs)
  assert.ok(Number(waiting) > 0)
})

test("the yardstick of Muri's takes its traces, and its two policies", async () => {
  write('muri.csv', 'job_id,num_gpu,submit_time,iterations,model_name,iteration_time\n0,8,0,1000,bert,1000\n')
  const { code, stdout } = await isobar('--muri', 'muri.csv', '--policy', 'srtf,srsf')
  assert.equal(code, 0)
  assert.match(stdout, /^TRACE +POLICY[^]*srtf +1015\.0000 s[^]*srsf +1015\.0000 s/)
  assert.equal((await isobar('--muri', 'muri.csv', '--policy', 'las')).code, 2)
})
