import assert from 'node:assert/strict'
import { test } from 'node:test'

import { readSpecs } from './read.ts'

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
