import assert from 'node:assert/strict'
import { test } from 'node:test'

import { readSpecs } from './read.ts'

/** What is written below a job, and where it is refused. */
const refused: [text: string, path: string][] = [
  ['objective: finish', 'objective'],
  ['throughput: {H100: 1, A100: 0.45}', 'throughput'],
]

for (const [text, path] of refused)
  test(`${path} is refused as long as nothing honours it`, () => {
    const read = readSpecs(`kind: job\nname: a\nrun: x\n${text}\n`, 'spec.yaml')
    assert.ok('problems' in read)
    assert.deepEqual(
      read.problems.map((problem) => [problem.path, problem.message]),
      [[path, `${path} cannot be honoured yet`]],
    )
  })

const read = (kind: string) =>
  readSpecs(`kind: ${kind}\nname: a\nrun: x\nresources: {accelerators: [H100:0.5, A100/1g.5gb]}\n`, 'a')

test('a part of an accelerator is refused for the tasks of an array alone, and the whole one is named', () => {
  assert.ok('specs' in read('job'))
  const array = read('array\ntasks: 8')
  assert.ok('problems' in array)
  assert.deepEqual(
    array.problems.map(({ message, fix }) => [message, fix]),
    [
      ['tasks of an array cannot have a part of an accelerator yet', 'write H100:1'],
      ['tasks of an array cannot have a part of an accelerator yet', 'write A100:1'],
    ],
  )
})
