import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { costMicros, formatMoney, roundedMoney, parseHourlyPrice, parseMoney } from './money.ts'

test('amounts are read in the forms that people write', () => {
  for (const text of ['$1200.50', '$1,200.50', '1200.5', '1200.50 USD', '1,200.50usd', ' $ 1,200.500000 ', 1200.5]) {
    assert.equal(parseMoney(text), 1_200_500_000n, String(text))
  }
  for (const text of ['$2.50/h', '2.5 / hr', '$2.50/hour', '2.50 USD/h', 2.5]) {
    assert.equal(parseHourlyPrice(text), 2_500_000n, String(text))
  }
})

test('what is no amount, or finer than a micro-dollar, is refused with an example', () => {
  for (const text of ['', '$', '-1', '1,20', '12,34.5', '€5', '1.2345678', '1e6', '0.1.2', 'NaN', 1e21, 0.1 + 0.2]) {
    const read = parseMoney(text)
    assert.ok(typeof read === 'object' && /is not an amount of money; write/.test(read.problem), String(text))
  }
})

const micros = fc.bigInt(0n, 10n ** 21n - 1n)

test('an amount that was written by the house is read as the same one', () => {
  fc.assert(fc.property(micros, (amount) => assert.equal(parseMoney(formatMoney(amount)), amount)))
  assert.equal(formatMoney(1_234_500_000n), '$1,234.50')
  assert.equal(formatMoney(123n), '$0.000123')
  assert.equal(formatMoney(-3_000_000n), '-$3.00')
})

test('a rounded amount is the one that is shown in English, and with all its decimals the exact one', () => {
  const small = fc.bigInt(-(10n ** 14n), 10n ** 14n)
  fc.assert(
    fc.property(small, fc.integer({ min: 0, max: 6 }), (amount, decimals) => {
      const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals }
      const style = { style: 'currency', currency: 'USD', signDisplay: 'negative', ...digits } as const
      const whole = `${amount}E-6` as `${number}` // read exactly, not as a number
      assert.equal(roundedMoney(amount, decimals), new Intl.NumberFormat('en-US', style).format(whole))
    }),
    {
      seed: 5,
      numRuns: 500,
      examples: [
        [-4n, 2],
        [5_000n, 2],
        [999_995_000n, 2],
        [-1n, 0],
      ],
    },
  )
})

test('no text makes the readers throw', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789.,$ USD/hr') }), fc.double())
  fc.assert(
    fc.property(text, (written) => {
      for (const read of [parseMoney(written), parseHourlyPrice(written)]) {
        assert.ok(typeof read === 'object' || read >= 0n)
      }
    }),
  )
})

test('the parts of a bill add up to the whole, wherever it is cut', () => {
  const cuts = fc.array(fc.nat(10_000_000), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 12n), cuts, (price, times) => {
      let [billed, before] = [0n, 0]
      for (const at of times.toSorted((a, b) => a - b)) {
        billed += costMicros(price, at) - costMicros(price, before)
        before = at
      }
      assert.equal(billed, costMicros(price, before))
    }),
  )
})
