import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import * as fc from 'fast-check'

import { anyCharacter } from '#test/drawn-text.ts'
import { renderProblems, type SpecProblem } from './problem.ts'
import { type ReadSpec, readSpecs } from './read.ts'

const examples = fileURLToPath(new URL('../../../examples/', import.meta.url))

function specsIn(text: string): ReadSpec[] {
  const read = readSpecs(text, 'spec.yaml')
  assert.ok('specs' in read, 'problems' in read ? renderProblems(read.problems) : '')
  return read.specs
}

function problemsIn(text: string): SpecProblem[] {
  const read = readSpecs(text, 'spec.yaml')
  assert.ok('problems' in read, 'it was accepted')
  return read.problems
}

const job = 'kind: job\nname: a\nrun: x\n'
const service = 'kind: service\nname: a\nrun: x\nports: [8080]\n'
const array = 'kind: array\nname: a\nrun: x\ntasks: 3\n'

/** The only problem of a text, as `line:column path | message | fix`. */
function onlyProblem(text: string): string {
  const [problem, ...rest] = problemsIn(text)
  assert.ok(problem)
  assert.deepEqual(rest, [])
  return `${problem.line}:${problem.column} ${problem.path} | ${problem.message} | ${problem.fix}`
}

const problemOf = (text: string) => {
  const read = readSpecs(text, 'file.yaml')
  assert.ok('problems' in read)
  assert.equal(read.problems.length, 1)
  return read.problems[0]
}

test('a file of another program is told as such, with what makes a spec of it', () => {
  const object = problemOf('apiVersion: batch/v1\nkind: Job\nmetadata: { name: a }\n')
  assert.deepEqual(
    [object?.line, object?.path, object?.message],
    [1, 'apiVersion', 'this is an object of Kubernetes, a Job'],
  )
  const script = problemOf('#!/bin/bash\n#SBATCH -N 2\nsrun true\n')
  assert.equal(script?.message, 'this is a script for sbatch, and not a spec')
  const task = problemOf('num_nodes: 2\nrun: train\n')
  assert.equal(task?.message, 'this looks like a task of SkyPilot')
  for (const problem of [object, script, task]) assert.match(problem?.fix ?? '', /isobar import FILE$/)
})

test('all examples are read without problems', () => {
  const files = globSync('{*,train/*}.yaml', { cwd: examples }) // what is in simulate/ are no specs
  assert.ok(files.length >= 3, files.join())
  for (const file of files) specsIn(readFileSync(`${examples}${file}`, 'utf8'))
})

test('a spec is read with its defaults, in units', () => {
  const [read] = specsIn(`${job}resources: {accelerators: [H200:8, 80GB+:4], cpus: 0.5, memory: 64GB+}
duration: {expected: 90m}
budget: {limit: $100}
placement: {maxPrice: $20/h, sites: [local/west]}
deadline: 2026-12-01T09:00:00Z
env: {STEPS: 300, ON: true, NO: no}
`)
  assert.ok(read)
  const { spec } = read
  assert.deepEqual(spec.resources, {
    accelerators: [
      { model: 'H200', count: 8 },
      { memoryMiB: { count: 80 * 1024, atLeast: true }, count: 4 },
    ],
    ordered: true,
    cpuMilli: { count: 500, atLeast: false },
    memoryMiB: { count: 64 * 1024, atLeast: true },
    diskMiB: { count: 0, atLeast: true },
  })
  assert.deepEqual(spec.duration, { expectedMs: 5_400_000, maximumMs: undefined })
  assert.deepEqual(spec.budget, { limitMicros: 100_000_000, warnAt: 0.8, whenUsed: 'finish' })
  assert.equal(spec.placement.maxPriceMicros, 20_000_000)
  assert.equal(spec.deadline, Date.UTC(2026, 11, 1, 9))
  assert.deepEqual(spec.env, { STEPS: '300', ON: 'true', NO: 'no' })
  assert.deepEqual([spec.project, spec.nodes, spec.checkpoint.graceMs], ['default', 1, 30_000])
})

test('a service and an array have their own defaults', () => {
  const [served, many] = specsIn(`${service}---\n${array}`)
  assert.ok(served?.spec.kind === 'service' && many?.spec.kind === 'array')
  assert.deepEqual(served.spec.replicas, { min: 1, max: 1 })
  assert.deepEqual(served.spec.readiness, { failures: 3, periodMs: 1000, timeoutMs: 1000 })
  assert.equal(many.spec.parallelism, 8)
})

test('a file may hold several documents, empty ones among them, and each knows its line', () => {
  const read = specsIn(`# first\n${job}---\n---\n# second\n${service}`)
  assert.deepEqual(
    read.map(({ spec, document, line }) => [spec.kind, document, line]),
    [
      ['job', 0, 2],
      ['service', 2, 8],
    ],
  )
})

test('JSON is read, tabs and all', () => {
  const text = JSON.stringify({ kind: 'job', name: 'a', run: 'x\ny', env: { A: 'ü' } }, null, '\t')
  assert.equal(specsIn(text)[0]?.spec.run, 'x\ny')
})

test('anchors may be used, and keys that objects have anyway are only names', () => {
  const [read] = specsIn(
    `${job}labels: &l {team: x}\nenv: {constructor: a, toString: b, hasOwnProperty: c}\ndata: []\n`,
  )
  assert.deepEqual(Object.entries(read?.spec.env ?? {}), [
    ['constructor', 'a'],
    ['toString', 'b'],
    ['hasOwnProperty', 'c'],
  ])
  const [one, two] = specsIn(`${job}env: &e {A: 1}\n---\n${job}env: {A: 1}\n`)
  assert.deepEqual(one?.spec, two?.spec)
  assert.match(onlyProblem(`${job}labels: *e\n`), /^4:9 labels \| no anchor &e/)
})

/** What people write wrong, and what they are told: `line:column path | message | fix`. */
const told: [text: string, expected: RegExp][] = [
  ['', /^1:1 {2}\| the file holds no spec \| .*isobar init/],
  ['- a', /^1:1 {2}\| a spec is a mapping of fields/],
  ['name: a\nrun: x', /^1:1 {2}\| kind is missing.*write kind: job, kind: service or kind: array$/],
  ['kind: jb\nname: a', /^1:7 kind \| "jb" is not a kind of workload \| did you mean kind: job\?$/],
  ['kind: job\nname: a', /^1:1 run \| this field is missing \| add `run: …` \(text\)$/],
  [`${job}cpu: 4`, /^4:1 cpu \| a job has no field "cpu" \| write cpus below resources$/],
  [`${job}node: 4`, /^4:1 node .* did you mean nodes\?$/],
  [`${job}gpus: 8`, /^4:1 gpus .*accelerators/],
  [`${job}ports: [80]`, /^4:1 ports .* only a service has ports: write kind: service/],
  [`${job}resources: {cpu: 4}`, /^4:13 resources\.cpu \| resources has no field "cpu" \| did you mean cpus\?$/],
  [`${job}resources: {accelerators: {H100:8}}`, /^4:27 resources\.accelerators .* write accelerators: H100:8$/],
  [`${job}resources: {accelerators: {H100: 8}}`, /^4:27 resources\.accelerators .* write accelerators: H100:8$/],
  [`${job}resources: {accelerators: 8}`, /^4:27 resources\.accelerators \| a number does not say which .*H200:8$/],
  [`${job}resources: {accelerators: 4090:8}`, /^4:27 resources\.accelerators \| "4090:8" is not an accelerator/],
  [`${job}resources: {accelerators: [H100:8, x y]}`, /^4:36 resources\.accelerators\[1\] \| "x y" is not/],
  [`${job}resources: {accelerators: {any: [H100:0]}}`, /^4:34 resources\.accelerators\.any\[0\] /],
  [`${job}resources: {accelerators: []}`, /^4:27 resources\.accelerators \| must have at least 1 entry/],
  [`${job}resources: {memory: lots}`, /^4:21 resources\.memory \| "lots" is not a size \| write for example 512MB/],
  [`${job}resources: {memory: [1]}`, /^4:21 .* must be text or a number, and this is a list .* such as 16GB$/],
  [
    `${job}resources: 4`,
    /^4:12 resources \| must be a mapping of fields.*accelerators, cpus, memory, disk, sharedMemory, network$/,
  ],
  [`${job}nodes: "4"`, /^4:8 nodes \| must be a number, and this is the text "4" \| remove the quotes: 4$/],
  [`${job}nodes: 1.5`, /^4:8 nodes \| must be a whole number/],
  [`${job}nodes: 0`, /^4:8 nodes \| must be at least 1 /],
  [`${job}topology: {within: blok}`, /^4:20 topology\.within \| "blok" is not allowed here \| did you mean block\?/],
  [`${job}topology: {within: site, required: yes}`, /^4:36 topology\.required .* write true$/],
  [`${job}placement: {sites: [west]}`, /^4:21 placement\.sites\[0\] \| "west" must be provider\/site .*local\/west$/],
  [`${job}placement: {sites: [aws/x], providers: [gcp]}`, /placement\.sites\[0\] .*add aws to the providers$/],
  [`${job}placement: {jurisdictions: [de]}`, /"de" must be a country or group in capitals \| .* DE or EU$/],
  [`${job}placement: {spread: site}`, /^4:21 placement\.spread \| only the replicas of a service/],
  [`${job}duration: {expected: 1:30}`, /^4:22 duration\.expected .*YAML 1\.2.*1h30m$/],
  [`${job}duration: {expected: 2h, maximum: 1h}`, /^4:22 duration\.expected \| it is expected to run longer/],
  [`${job}objective: speed`, /^4:12 objective \| "speed" is not allowed here \| .*cost, finish, balance/],
  [`${job}throughput: {80GB: 1}`, /^4:14 throughput\.80GB \| the name must be the model of an accelerator \| .*H100$/],
  [`${job}throughput: {H100: 0}`, /^4:20 throughput\.H100 \| must be at least 0\.001 /],
  [`${job}nodes: 2\nroles: [{name: a}]`, /^4:8 nodes \| each role says its own \| remove it$/],
  [`${job}roles: [{name: a, cpus: 4}]`, /^4:19 roles\[0\]\.cpus \| roles\[0\] has no field "cpus"/],
  ['kind: job\nname: a\nroles: [{name: a, run: x}, {name: b}]', /^1:1 run \| this field is missing \| add `run: …`/],
  [`${service}roles: [{name: a}]`, /only a job has roles: write kind: job/],
  [`${job}expiry: 0`, /^4:9 expiry \| a duration of zero/],
  [`${job}deadline: tomorrow`, /^4:11 deadline \| "tomorrow" must be a time with its zone/],
  [`${job}budget: {limit: lots}`, /^4:17 budget\.limit \| "lots" is not an amount of money/],
  [`${job}budget: {limit: $90000000000}`, /more than nine billion dollars/],
  ['kind: job\nname: My_Model\nrun: x', /^2:7 name \| "My_Model" must be lower-case.* \| write my-model$/],
  [`${job}image:`, /^4:1 image \| must be text, and this is empty/],
  [`${job}setup: 3`, /^4:8 setup .* put it in quotes: "3"$/],
  ['kind: job\nname: a\nrun: " "', /^3:6 run \| there is nothing to run/],
  [`${job}env: {A-B: 1}`, /^4:7 env\.A-B \| the name must be letters, digits and underscores/],
  [`${job}env: {A: [1]}`, /^4:10 env\.A \| must be text or a number or true or false, and this is a list/],
  [`${job}env: {ISOBAR_RANK: 1}`, /env\.ISOBAR_RANK \| ISOBAR_RANK is set by Isobar itself/],
  [`${service}env: {PORT: 80}`, /env\.PORT \| PORT is set by Isobar itself/],
  [`${job}env: {A: 1}\nsecrets: [A]`, /^5:11 secrets\[0\] \| env sets A too/],
  [`${job}secrets: [A, A]`, /^4:14 secrets\[1\] \| A is there twice/],
  [`${job}retry: {onExit: 3}`, /^4:17 retry\.onExit .* write a list: \[3\]$/],
  ['kind: service\nname: a\nrun: x', /^1:1 ports \| this field is missing/],
  [`${service}replicas: {min: 1, max: 3}`, /^5:11 replicas \| a range cannot be honoured yet.*replicas: 3$/],
  [`${service}replicas: {min: 3, max: 1}`, /^5:11 replicas \| min must not be above max/],
  ['kind: service\nname: a\nrun: x\nports: [80, 80]', /^4:13 ports\[1\] \| 80 is there twice/],
  [`${service}readiness: {timeout: 0s}`, /^5:22 readiness\.timeout \| this is too short/],
  [`${array}parallelism: 200000\nresources: {accelerators: "H100:0.5"}`, /^5:14 parallelism \| .*have a worker each/],
  [`${array}nodes: 2`, /^5:8 nodes \| each task of an array runs on one node/],
  [`${job}run: z`, /^4:1 run \| run is there twice/],
  [`${job}? [a]\n: b`, /\| a key must be text/],
  [`${job}env: {__proto__: x}`, /^4:7 env \| __proto__ cannot be/],
  [`${job}labels: {<<: {a: b}}`, /^4:10 labels \| merge keys/],
  [`${job}priority: .inf`, /^4:11 priority \| this number has no finite value/],
  [`${job}env: {A: "\\0"}`, /^4:10 env\.A \| this text holds a character that cannot be stored/],
  [`${job}env: {A: "\\ud800"}`, /^4:10 env\.A \| this text holds a character/],
  [`${job}env: &e {A: *e}`, /env\.A \| this alias repeats itself/],
  [`${job}env:\n\tA: 1`, /^5:1 {2}\| YAML does not allow tabs/],
  [`${job}x: a: b`, /^4:4 {2}\| there is a second `: `/],
  ['kind: job\nname: a\n  run: x', /^3:3 {2}\| this line is indented further than the one above/],
  [`${job}env: @x`, /^4:6 {2}\| YAML reserves/],
]

for (const [text, expected] of told) {
  test(`${JSON.stringify(text.replace(job, '…'))} is explained`, () => assert.match(onlyProblem(text), expected))
}

test('all problems of all documents are told at once, in their order', () => {
  const problems = problemsIn(`${job}nodes: 0\ncpu: 1\n---\n${service}replicas: no\n`)
  assert.deepEqual(
    problems.map(({ line, path }) => [line, path]),
    [
      [4, 'nodes'],
      [5, 'cpu'],
      [11, 'replicas'],
    ],
  )
})

test('a problem is shown with its place, its line, a mark and the fix at the end', () => {
  const text = renderProblems(problemsIn(`${job}nodse: 4`))
  assert.equal(text, 'spec.yaml:4:1: nodse: a job has no field "nodse"\n  nodse: 4\n  ^\nfix: did you mean nodes?\n')
})

test('what a file says cannot command the terminal', () => {
  const text = renderProblems(problemsIn(`${job}"\u001b[2J": "\u001b]0;x\u0007"`))
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
})

test('aliases that repeat each other without measure are refused', () => {
  const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`)
  assert.match(onlyProblem(`l0: &l0 [x]\n${levels.join('\n')}\n`), /aliases repeat too many values/)
})

const huge = 9_900_000
const floods: [name: string, text: string][] = [
  ['brackets', '['.repeat(huge)],
  ['list marks', '- '.repeat(huge / 2)],
  ['question marks', '? '.repeat(huge / 2)],
  ['fields', 'a: 1\n'.repeat(huge / 5)],
  ['fields of different names', Array.from({ length: 500_000 }, (_, i) => `k${i}: ${i}\n`).join('')],
  ['documents', '---\n'.repeat(huge / 4)],
  ['one word', 'a'.repeat(huge)],
  ['blank lines', '\n'.repeat(huge)],
  ['values in a list', `[${'1,'.repeat(huge / 2)}]`],
  ['a quote that is never closed', `"${'a'.repeat(huge)}`],
  ['one block of text', `run: |\n${'  echo hello\n'.repeat(huge / 13)}`],
]
for (const [name, text] of floods) {
  test(`10 MB of ${name} are refused soon`, () => {
    const began = performance.now()
    assert.ok(problemsIn(text).length >= 1)
    assert.ok(performance.now() - began < 5000) // about a tenth of that on an idle machine
  })
}

test('more than 10 MB, 32 levels or 1,000 documents are refused as such', () => {
  assert.match(onlyProblem(' '.repeat(10_000_001)), /the most is 10000000/)
  assert.match(onlyProblem(`a: ${'['.repeat(40)}${']'.repeat(40)}`), /nested deeper than 32 levels/)
  assert.match(onlyProblem(`${job}---\n`.repeat(1002)), /more than 1000 documents/)
  assert.equal(specsIn(Array.from({ length: 1000 }, () => job).join('---\n')).length, 1000)
})

function holds(text: string): void {
  const read = readSpecs(text, 'f.yaml')
  if ('specs' in read) return
  const lines = text.split('\n')
  assert.ok(read.problems.length > 0)
  for (const { line, column, message, fix, caret } of read.problems) {
    assert.ok(line >= 1 && line <= lines.length, `line ${line} of ${lines.length}`)
    assert.ok(column >= 1 && column <= (lines[line - 1]?.length ?? 0) + 1, `column ${column} of ${lines[line - 1]}`)
    assert.ok(message.length > 0 && fix.length > 0 && caret.endsWith('^'))
    assert.doesNotMatch(message, /^Invalid|undefined|\[object/)
  }
  renderProblems(read.problems)
}

test('no text makes it throw, and each problem has a place in the file and a fix', () => {
  fc.assert(fc.property(fc.string({ unit: anyCharacter, maxLength: 200 }), holds), { numRuns: 500 })
  const yamlish = fc.string({
    unit: fc.constantFrom(
      ...'abk:-?[]{},&*!|>\'"%@`#\n \t~<=.0129',
      '\n  ',
      ': ',
      '- ',
      '---\n',
      '\r\n',
      'kind: job\n',
    ),
    maxLength: 120,
  })
  fc.assert(fc.property(yamlish, holds), { numRuns: 2000 })
})

const seeds = [
  ...globSync('**/*.yaml', { cwd: examples, exclude: (path) => path.includes('node_modules') }).map((file) =>
    readFileSync(`${examples}${file}`, 'utf8'),
  ),
  `${service}${job.replace(/.*\n.*\n.*\n/, '')}replicas: {min: 2, max: 2}\nreadiness: {path: /x}\nplacement: {tiers: [spot]}\n`,
  `${job}topology: {slices: {ranks: 1, within: nvlink}, spread: {within: node, most: 1}}\nthroughput: {H100: 1}\n`,
  `${job}roles: [{name: a, nodes: 2, resources: {accelerators: H100:0.5}}, {name: b, run: y, env: {A: 1}}]\n`,
  `${job}resources: {accelerators: {any: [H100:8]}}\ndata: [{name: a, location: s3://x, jurisdictions: [EU]}]\nenv: &e {A: 1}\n`,
]

test('no change of a valid spec makes it throw', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ':',
      ' ',
      '\n',
      '\t',
      '[',
      ']',
      '{',
      '}',
      '"',
      '-',
      'null',
      '.nan',
      '-1',
      '1e99',
      '&a',
      '*a',
      '__proto__: x\n',
    ),
    fc.string({ maxLength: 5 }),
  )
  const change = fc.record({ at: fc.nat(), cut: fc.nat(12), piece })
  fc.assert(
    fc.property(fc.constantFrom(...seeds), fc.array(change, { minLength: 1, maxLength: 4 }), (seed, changes) => {
      let text = seed
      for (const { at, cut, piece: put } of changes) {
        const from = at % (text.length + 1)
        text = text.slice(0, from) + put + text.slice(from + cut)
      }
      holds(text)
    }),
    { numRuns: 1500 },
  )
})

test('any JSON value in any field is taken or explained', () => {
  const names = [
    'name',
    'run',
    'nodes',
    'env',
    'resources',
    'placement',
    'budget',
    'duration',
    'retry',
    'data',
    'ports',
    'topology',
    'roles',
    'throughput',
  ]
  fc.assert(
    fc.property(
      fc.constantFrom(job, service, array),
      fc.constantFrom(...names),
      fc.jsonValue({ maxDepth: 3 }),
      (...args) => {
        const [base, name, value] = args
        holds(`${base.replace(new RegExp(`^${name}:.*\\n`, 'm'), '')}${name}: ${JSON.stringify(value)}\n`)
      },
    ),
    { numRuns: 1000 },
  )
})
