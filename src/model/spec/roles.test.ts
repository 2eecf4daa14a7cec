import assert from 'node:assert/strict'
import { test } from 'node:test'

import { readSpecs } from './read.ts'
import { roleOfRank, roleRules, rolesOf } from './roles.ts'
import { Spec } from './spec.ts'

const aJob = (fields: object): Spec => Spec.parse({ kind: 'job', name: 'a', ...fields })

test('what a role does not say itself is as the job says, and the nodes of a job are those of its roles', () => {
  const spec = aJob({
    run: 'work',
    resources: { cpus: 2 },
    env: { A: 1 },
    roles: [
      { name: 'leader', run: 'lead', resources: { cpus: 1 }, env: { B: 2 } },
      { name: 'worker', nodes: 4 },
    ],
  })
  assert.equal(spec.nodes, 5)
  assert.deepEqual(
    rolesOf(spec).map(({ name, nodes, run, env, resources }) => [name, nodes, run, env, resources.cpuMilli.count]),
    [
      ['leader', 1, 'lead', { B: '2' }, 1000],
      ['worker', 4, 'work', {}, 2000],
    ],
  )
  const names = [0, 1, 4].map((rank) => roleOfRank(spec, rank).name)
  assert.deepEqual(names, ['leader', 'worker', 'worker'])
  assert.throws(() => roleOfRank(spec, 5), RangeError)
})

test('a job whose roles all have commands needs none of its own', () => {
  const roles = ['a', 'b'].map((name) => ({ name, run: name }))
  assert.deepEqual(roleRules(aJob({ roles })), [])
  assert.equal(roleOfRank(aJob({ roles }), 1).run, 'b')
  assert.throws(() => aJob({ roles: [{ name: 'a' }] }), /this field is missing/)
})

test('without roles all ranks do what the spec says', () => {
  const spec = aJob({ run: 'x', nodes: 3 })
  assert.deepEqual(rolesOf(spec), [{ name: '', nodes: 3, resources: spec.resources, run: 'x', env: {} }])
})

/** What is wrong with a role of the list, as `path | message`. */
const told: [roles: string, expected: string][] = [
  ['[{name: a}, {name: a}]', 'roles[1].name | two roles are called a'],
  ['[{name: a, run: " "}]', 'roles[0].run | there is nothing to run'],
  ['[{name: a, env: {ISOBAR_RANK: 1}}]', 'roles[0].env.ISOBAR_RANK | ISOBAR_RANK is set by Isobar itself'],
  ['[{name: a, env: {T: 1}}]', 'secrets[0] | roles[0].env sets T too'],
]

for (const [roles, expected] of told)
  test(`the roles ${roles} are explained`, () => {
    const read = readSpecs(`kind: job\nname: a\nrun: x\nsecrets: [T]\nroles: ${roles}\n`, 'spec.yaml')
    const problems = 'problems' in read ? read.problems : []
    assert.ok(problems.map(({ path, message }) => `${path} | ${message}`).includes(expected), JSON.stringify(problems))
  })
