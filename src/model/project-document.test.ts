import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'
import { stringify } from 'yaml'

import { anyCharacter } from '#test/drawn-text.ts'
import { readProjects, writtenProject } from './project-document.ts'
import { Project } from './project.ts'

test('projects of a file are read in units, and what they do not say is as in a new one', () => {
  const text = `
name: labs
quota: { cpus: 400.5, accelerators: 64, domains: { nvlink: 4 } }
---
name: research
parent: labs
weight: 2
borrowing: { accelerators: 32 }
budget: $5000
policy: { jurisdictions: [EU], sites: [kubernetes/research], maxPrice: $4/h }
preemption: { reclaim: any, perHour: 10 }
`
  assert.deepEqual(readProjects(text, 'projects.yaml'), {
    projects: [
      Project.parse({ name: 'labs', quota: { cpuMilli: 400_500, accelerators: 64, domains: { nvlink: 4 } } }),
      Project.parse({
        name: 'research',
        parent: 'labs',
        weight: 2,
        borrowing: { accelerators: 32 },
        budgetMicros: 5_000_000_000,
        policy: { jurisdictions: ['EU'], sites: ['kubernetes/research'], maxPriceMicros: 4_000_000 },
        preemption: { within: 'never', reclaim: 'any', perHour: 10 },
      }),
    ],
  })
})

const told: [text: string, expected: RegExp][] = [
  ['', /^1:1 {2}\| the file holds no project \| begin with `name: research`/],
  ['- a', /^1:1 .*must be a mapping of fields/],
  ['weight: 2', /^1:1 name \| this field is missing \| add `name: …`/],
  ['name: a\nquotas: {}', /^2:1 quotas \| a project has no field "quotas" \| did you mean quota\?/],
  ['name: a\ngpus: 8', /^2:1 gpus \| a project has no field "gpus"/],
  ['name: a\nquota: {gpus: 8}', /^2:9 quota\.gpus \| quota has no field "gpus" \| .*cpus/],
  ['name: a\nquota: {cpus: 0.0001}', /^2:15 quota\.cpus \| is finer than a thousandth \| write for example 0\.5/],
  ['name: a\nquota: {domains: {rack: 4}}', /^2:19 quota\.domains\.rack .*use one of nvlink, block/],
  ['name: a\nbudget: lots', /^2:9 budget \| "lots" is not an amount of money/],
  ['name: a\npreemption: {reclaim: all}', /^2:23 preemption\.reclaim \| "all" is not allowed here/],
  ['name: A', /^1:7 name \| "A" must be lower-case/],
]

for (const [text, expected] of told)
  test(`the project ${JSON.stringify(text)} is explained`, () => {
    const read = readProjects(text, 'projects.yaml')
    assert.ok('problems' in read)
    const [problem, ...rest] = read.problems
    assert.deepEqual(rest, [])
    assert.match(
      `${problem?.line}:${problem?.column} ${problem?.path} | ${problem?.message} | ${problem?.fix}`,
      expected,
    )
  })

const amount = fc.integer({ min: 0, max: 1_000_000 })
const optional: { requiredKeys: [] } = { requiredKeys: [] }
const quota = fc.record(
  {
    cpuMilli: amount,
    accelerators: amount,
    nodes: amount,
    domains: fc.record({ nvlink: amount, block: amount }, optional),
  },
  optional,
)
const project = fc.record(
  {
    name: fc.constantFrom('a', 'train-7b'),
    parent: fc.constantFrom(null, 'labs'),
    weight: fc.integer({ min: 1, max: 1_000_000 }),
    quota,
    borrowing: quota,
    lending: quota,
    budgetMicros: fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
    policy: fc.record(
      {
        jurisdictions: fc.array(fc.constantFrom('EU', 'DE')),
        providers: fc.array(fc.constantFrom('aws' as const, 'local' as const)),
        sites: fc.array(fc.constantFrom('aws/east', 'local/west')),
        maxProviderShare: fc.double({ min: 0, max: 1, noNaN: true }),
        maxPriceMicros: amount,
      },
      optional,
    ),
    preemption: fc.record({
      within: fc.constantFrom('never' as const, 'lower-priority' as const),
      reclaim: fc.constantFrom('never' as const, 'lower-priority' as const, 'any' as const),
      perHour: fc.option(amount),
    }),
  },
  { requiredKeys: ['name'] },
)

test('what is shown of a project is read as that project', () => {
  fc.assert(
    fc.property(project, (fields) => {
      const given = Project.parse(fields)
      assert.deepEqual(readProjects(stringify(writtenProject(given)), 'projects.yaml'), {
        projects: [given],
      })
    }),
  )
})

test('no text makes it throw', () => {
  fc.assert(fc.property(fc.string({ unit: anyCharacter, maxLength: 100 }), (text) => void readProjects(text, 'a')))
})
