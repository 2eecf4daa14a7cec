import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'

import * as fc from 'fast-check'

import { InputFault, inputOf, readInput } from './input.ts'
import { jobOf } from './job.ts'
import { mergeTraces, readTrace } from './read-trace.ts'
import { defaultRate } from './requests.ts'

const read = (...lines: string[]) => readTrace(inputOf('trace', `${lines.join('\n')}\n`), defaultRate)

/** `line:column: what is wrong` and the fix. */
function faultOf(...lines: string[]): [string, string] {
  try {
    read(...lines)
  } catch (error) {
    assert.ok(error instanceof InputFault)
    const [problem] = error.problems
    assert.match(error.message, /^trace:\d+:\d+: .+\n.*\n *\^\nfix: .+/)
    return [`${problem?.line}:${problem?.column}: ${problem?.message}`, problem?.fix ?? '']
  }
  throw new Error('it was read')
}

test('a CSV of jobs says when, how long and how much, and may say more', () => {
  const { format, jobs } = read(
    'id,arrival,duration,gpus,nodes,priority,project,kind,deadline,checkpoint,restart',
    'b,1h,90,16,2,5,research,train,2h,10m,30s',
    '"a, first",30s,1.5h,1,,,,,,,',
  )
  assert.equal(format, 'csv')
  const first = jobOf({ id: 'a, first', arrivalMs: 30_000, amount: 1, durationMs: 5_400_000 })
  const own = { priority: 5, project: 'research', kind: 'train', deadlineMs: 10_800_000, checkpointMs: 600_000 }
  const second = jobOf({
    id: 'b',
    arrivalMs: 3_600_000,
    amount: 16,
    ranks: 2,
    durationMs: 90_000,
    restartMs: 30_000,
    ...own,
  })
  assert.deepEqual(jobs, [first, second])
  assert.deepEqual(read('arrival,duration,cpus', '0,10,0.5').jobs[0]?.amount, 500)
})

test('a line that is wrong is told with its line and column, the cause and the fix', () => {
  const header = 'arrival,duration,gpus,nodes'
  assert.deepEqual(faultOf(header, '0,1h,8,', '0,1h,8'), [
    '3:1: this line has 3 cells, and the header 4',
    'put text that holds commas in double quotes, or add what is missing',
  ])
  assert.deepEqual(faultOf(header, '', '0, 1hour ,8,'), [
    '3:4: duration: "1hour" is not a duration',
    'write for example 90s, 30m, 1h30m or 7d',
  ])
  assert.deepEqual(faultOf(header, '0,1h,many,'), [
    '2:6: gpus: "many" is not a whole number from 1 to 10000000',
    'write for example 1',
  ])
  assert.deepEqual(faultOf(header, '0,1h,9,2'), [
    '2:6: gpus: 9 cannot be divided by 2 nodes',
    'ask for a multiple of the nodes',
  ])
  assert.deepEqual(faultOf('arrival,duration,gpu', '0,1h,9'), ['1:18: there is no column "gpu"', 'did you mean gpus?'])
  assert.deepEqual(faultOf('arrival,gpus', '0,9'), ['1:1: the column duration is missing', 'add it: arrival,duration'])
  assert.deepEqual(faultOf('arrival,arrival,duration', '0,0,9'), [
    '1:9: the column arrival is there twice',
    'keep one of the two',
  ])
  assert.match(faultOf('arrival,duration,gpus', '0,1h,')[0], /^2:6: gpus: a job asks for either gpus or cpus/)
  assert.match(faultOf('arrival,duration,gpus', '0,1h,"8')[0], /^2:1: a quote in this line is not closed/)
  assert.match(faultOf('arrival,duration,gpus')[0], /^1:22: there is no job in it/)
  assert.match(faultOf('<html>')[0], /^1:1: this is like no trace that is known/)
})

test('any text comes back from a cell in quotes, and no line is too strange to be told of', () => {
  const cell = fc.string().filter((text) => !/[\r\n]/.test(text))
  fc.assert(
    fc.property(cell, cell, (id, project) => {
      const quoted = [id, project].map((text) => `"${text.replaceAll('"', '""')}"`)
      const { jobs } = read('id,project,arrival,duration,gpus', `${quoted.join(' ,')},0,1h,8`)
      assert.deepEqual([jobs[0]?.id, jobs[0]?.project], [id.trim() || 'job-1', project.trim() || 'default'])
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('"', ',', ' ', 'a', '1') }), (line) => {
      try {
        read('arrival,duration,gpus', line)
      } catch (error) {
        assert.ok(error instanceof InputFault, String(error))
      }
    }),
  )
  const [many, blanks] = ['"'.repeat(300_000), `${' '.repeat(300_000)}"x`]
  for (const line of [many, blanks]) assert.match(faultOf('arrival,duration,gpus', line)[0], /^2:1: /)
})

test('Philly jobs begin at zero, in order, each virtual cluster a project', () => {
  const { format, jobs } = read(
    'timestamp,duration,num_gpus,gpu_time,cluster',
    '2017-10-09 07:01:55,66.5,1,66.5,11cb48',
    '2017-10-09 07:00:55,10.0,8,80.0,6214e9',
  )
  assert.equal(format, 'philly')
  assert.deepEqual(
    jobs.map(({ arrivalMs, durationMs, amount, project, kind }) => [arrivalMs, durationMs, amount, project, kind]),
    [
      [0, 10_000, 8, '6214e9', '8 GPU'],
      [60_000, 66_500, 1, '11cb48', '1 GPU'],
    ],
  )
  assert.deepEqual(faultOf('timestamp,duration,num_gpus,cluster', 'yesterday,66,1,x'), [
    '2:1: timestamp: "yesterday" is not a moment',
    'write for example 2017-10-09 07:01:55',
  ])
})

test('Muri jobs take their iterations times their time, and 1.5 % more', () => {
  const { jobs } = read('job_id,num_gpu,submit_time,iterations,model_name,iteration_time', '7,4,2000,100,a2c,500')
  assert.deepEqual(
    jobs.map(({ id, arrivalMs, durationMs, amount, restartMs }) => [id, arrivalMs, durationMs, amount, restartMs]),
    [['7', 2000, 50_750, 4, 39_000]],
  )
})

test('a job may ask for one domain of the topology, by the words of a spec', () => {
  const { jobs } = read('arrival,duration,gpus,within', '0,1h,16,nvlink', '0,1h,16,block', '0,1h,16,', '0,1h,16,site')
  assert.deepEqual(
    jobs.map(({ within }) => within),
    [1, 2, 0, 0],
  )
  assert.deepEqual(faultOf('arrival,duration,gpus,within', '0,1h,16,rack'), [
    '2:9: within: "rack" is no level of a topology',
    'write nvlink, block or site',
  ])
})

test('a job may ask for a part of one accelerator, as in a spec', () => {
  const { jobs } = read('arrival,duration,gpus', '0,1h,0.25', '0,1h,.5', '0,1h,1g.10gb', '0,1h,1g.10gb+me', '0,1h,2')
  assert.deepEqual(
    jobs.map(({ amount, part }) => [amount, part]),
    [
      [1, { shareMilli: 250 }],
      [1, { shareMilli: 500 }],
      [1, { profile: '1g.10gb' }],
      [1, { profile: '1g.10gb+me' }],
      [2, null],
    ],
  )
  assert.deepEqual(faultOf('arrival,duration,gpus,nodes', '0,1h,0.25,2'), [
    '2:6: gpus: 0.25 is a part of one, which 2 nodes cannot have',
    'leave nodes out',
  ])
  for (const odd of ['1.5', '0.125', '0.00', '1g'])
    assert.match(faultOf('arrival,duration,gpus', `0,1h,${odd}`)[0], /^2:6: gpus: ".*" is not a whole number/)
})

test('openb pods come when they were created, run as long as they ran, and take what they took of a GPU', () => {
  const { format, jobs } = read(
    'name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time',
    'a,12000,16384,1,460,,LS,Running,100,1000,400',
    'b,4000,16384,0,0,,BE,Pending,150,350,',
    'c,4000,16384,2,1000,,BE,Failed,90,95,91',
  )
  assert.equal(format, 'openb')
  assert.deepEqual(
    jobs.map(({ id, arrivalMs, durationMs, unit, amount, part, kind }) => [
      id,
      arrivalMs,
      durationMs,
      unit,
      amount,
      part?.shareMilli,
      kind,
    ]),
    [
      ['c', 0, 4000, 'gpu', 2, undefined, 'BE'],
      ['a', 10_000, 600_000, 'gpu', 1, 460, 'LS, shared'],
      ['b', 60_000, 200_000, 'cpu', 4000, undefined, 'BE'],
    ],
  )
})

test("a generator of Kueue's gives each queue its workloads, one after another", () => {
  const {
    format,
    jobs,
    projects = [],
  } = read(
    'cohorts:',
    '  - className: cohort',
    '    count: 2',
    '    queuesSets:',
    '      - className: cq',
    '        count: 3',
    '        nominalQuota: 20',
    '        borrowingLimit: 100',
    '        reclaimWithinCohort: Any',
    '        workloadsSets:',
    '          - count: 4',
    '            creationIntervalMs: 100',
    '            workloads: [{ className: small, runtimeMs: 200, priority: 50, request: "500m", podCount: 2, tasConstraint: required, tasLevel: cloud/topology-rack }]',
  )
  assert.equal(format, 'kueue')
  assert.equal(jobs.length, 2 * 3 * 4)
  const { arrivalMs, amount, ranks, unit, priority, project, durationMs, within } = jobs.at(-1) ?? {}
  assert.deepEqual(
    [arrivalMs, amount, ranks, unit, priority, project, durationMs, within],
    [300, 1000, 2, 'cpu', 50, 'cohort-1/cq-2', 200, 1],
  )
  assert.deepEqual(
    projects
      .slice(4, 6)
      .map(({ name, parent, quota, borrowing, preemption }) => [name, parent, quota, borrowing, preemption.reclaim]),
    [
      ['cohort-1', null, {}, {}, 'never'],
      ['cohort-1/cq-0', 'cohort-1', { cpuMilli: 20_000 }, { cpuMilli: 100_000 }, 'any'],
    ],
  )
  const many = [
    'cohorts:',
    '  - className: c',
    '    count: 1000',
    '    queuesSets:',
    '      - className: cq',
    '        count: 6',
  ]
  const sets =
    '        workloadsSets: [{ count: 1000, creationIntervalMs: 0, workloads: [{ className: a, runtimeMs: 1, request: 1 }] }]'
  assert.match(faultOf(...many, '        nominalQuota: 20', sets)[0], /^2:3: these are 6000000 workloads/)
  const [what, fix] = faultOf('cohorts:', '  - className: cohort', '    count: many', '    queuesSets: []')
  assert.equal(what, '3:12: must be a number, and this is the text "many"')
  assert.equal(fix, 'write a number')
})

const line = (at: number) => `{"timestamp": ${at}, "input_length": 2500, "output_length": 50, "hash_ids": [1]}`

test('requests of Azure and Mooncake take an accelerator for as long as their tokens take', () => {
  const azure = read(
    'TIMESTAMP,ContextTokens,GeneratedTokens',
    '2023-11-16 18:15:46.5,5000,100',
    '2023-11-16 18:15:47.75,10,1',
  )
  assert.equal(azure.format, 'azure')
  assert.deepEqual(
    azure.jobs.map(({ arrivalMs, durationMs, amount }) => [arrivalMs, durationMs, amount]),
    [
      [0, 3000, 1],
      [1250, 22, 1],
    ],
  )
  const mooncake = read(line(5), line(9))
  assert.equal(mooncake.format, 'mooncake')
  assert.deepEqual(
    mooncake.jobs.map(({ arrivalMs, durationMs }) => [arrivalMs, durationMs]),
    [
      [0, 1500],
      [4, 1500],
    ],
  )
  assert.match(faultOf(line(5), '{"timestamp": 5, "input_length": "x"}')[0], /^2:18: input_length is not a number/)
  assert.match(faultOf(line(5), '{"timestamp": 5,')[0], /^2:\d+: this line is not JSON/)
})

test('traces are read from .gz too, and several become one, each from its own beginning', () => {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-traces-'))
  try {
    const path = join(folder, 'jobs.csv.gz')
    writeFileSync(path, gzipSync('arrival,duration,gpus\n5s,1h,8\n'))
    const trace = readTrace(readInput(path), defaultRate)
    assert.equal(trace.jobs.length, 1)
    const merged = mergeTraces([trace, read('arrival,duration,gpus', '1s,1h,8', '9s,1h,8')])
    assert.deepEqual(
      merged.map(({ arrivalMs }) => arrivalMs),
      [1000, 5000, 9000],
    )
    writeFileSync(path, gzipSync('arrival').subarray(0, 12))
    assert.throws(() => readInput(path), /jobs\.csv\.gz:1:1: is not a whole gzip file[^]*fix: check it with gzip -t/)
    assert.throws(
      () => readInput(join(folder, 'none.csv')),
      /none\.csv:1:1: cannot be read: ENOENT[^]*fix: correct the path/,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const data = process.env.ISOBAR_DATA ?? '../shared/data'

const jobsOf = (file: string) => readTrace(readInput(join(data, file)), defaultRate).jobs.length

test(
  'the real traces are read whole',
  { skip: !existsSync(join(data, 'philly')) && `needs ${data}; set ISOBAR_DATA` },
  () => {
    assert.equal(jobsOf('philly/philly.csv.gz'), 82_247)
    assert.equal(jobsOf('muri/trace1.csv'), 1494)
    assert.equal(jobsOf('openb/openb_pod_list_default.csv'), 8152)
    assert.equal(jobsOf('kueue/baseline/generator.yaml'), 15_000)
    assert.equal(jobsOf('kueue/tas/generator.yaml'), 15_000)
    assert.equal(jobsOf('kueue/large-scale/generator.yaml'), 50_000)
    assert.equal(jobsOf('llm-requests/azure_2023_conv.csv'), 19_366)
    assert.equal(jobsOf('llm-requests/mooncake_conversation.jsonl.gz'), 12_031)
  },
)
