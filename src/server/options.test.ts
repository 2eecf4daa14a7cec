import assert from 'node:assert/strict'
import { test } from 'node:test'

import { readOptions } from './options.ts'

test('a number that is none, or out of bounds, is refused with the option and its bounds', () => {
  for (const [given, text] of [
    [{ movesPerHour: 'x' }, /--moves-per-hour <count> must be a whole number from 0 to 1000000/],
    [{ movesPerHour: '1.5' }, /--moves-per-hour <count> must be a whole number/],
    [{ keepDays: '0' }, /--keep-days <days> must be a whole number from 1 to 36500/],
    [{ port: '70000' }, /--port <port> must be a whole number from 0 to 65535/],
  ] as const)
    assert.throws(() => readOptions(given, {}), text)
  assert.equal(readOptions({ movesPerHour: '7' }, {}).movesPerHour, 7)
})
