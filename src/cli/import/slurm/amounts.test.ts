import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

import { gpusOf, indicesOf, mebibytesOf, secondsOf } from './amounts.ts'

test('times are read as sbatch(1) writes them', () => {
  const times: [string, number | undefined][] = [
    ['90', 5400],
    ['90:30', 5430],
    ['12:00:00', 43_200],
    ['2-12', 216_000],
    ['2-12:30', 217_800],
    ['1-00:00:01', 86_401],
    ['1h', undefined],
    ['', undefined],
  ]
  for (const [text, seconds] of times) assert.equal(secondsOf(text), seconds, text)
})

test('memory is in megabytes where no unit is written', () => {
  assert.deepEqual(['4000', '64G', '1T', '2048K', 'much'].map(mebibytesOf), [4000, 65_536, 1_048_576, 2, undefined])
})

test('accelerators are read with and without their model, and other resources are not', () => {
  assert.deepEqual(gpusOf('gpu:h100:8'), { model: 'H100', count: 8 })
  assert.deepEqual(gpusOf('gpu:a100_80gb:4(S:0-1)'), { model: 'A100', count: 4 })
  assert.deepEqual(gpusOf('h200:8'), { model: 'H200', count: 8 })
  assert.deepEqual(gpusOf('gpu:2'), { model: undefined, count: 2 })
  assert.deepEqual(
    [gpusOf('gpu'), gpusOf('4')],
    [
      { model: undefined, count: 1 },
      { model: undefined, count: 4 },
    ],
  )
  assert.equal(gpusOf(''), undefined)
})

const reckoned = (text: string): number[] => {
  const indices = indicesOf(text) ?? assert.fail(text)
  return Array.from({ length: indices.tasks }, (_, task) =>
    Number(
      execFileSync('sh', ['-c', `echo "${indices.index}"`], {
        env: { ...process.env, ISOBAR_TASK_INDEX: String(task) },
      }),
    ),
  )
}

test('the indices of an array come out as a shell reckons them', () => {
  assert.deepEqual(reckoned('0-3'), [0, 1, 2, 3])
  assert.deepEqual(reckoned('1-9:4%2'), [1, 5, 9])
  assert.deepEqual(reckoned('3,7,10-11'), [3, 7, 10, 11])
  for (const wrong of ['', 'a', '3-1', '1-9:0', '1%0', '0-999999999']) assert.equal(indicesOf(wrong), undefined, wrong)
})
