import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { PlanView } from '#api/views.ts'
import { formatMoney } from '#kit/money.ts'

import type { Call } from './call.ts'
import { passCostGate } from './cost-gate.ts'
import { CliFault } from './fault.ts'
import { processIo } from './io.ts'

const money = (dollars: number) => {
  const micros = BigInt(Math.round(dollars * 1e6))
  return { micros: micros.toString(), text: formatMoney(micros) }
}

const aPlan = (hourly: number, expected: number | null): PlanView => ({
  id: 'p-1',
  createdAt: '',
  expiresAt: '',
  appliedAt: null,
  documents: [],
  pricePerHour: money(hourly),
  expectedCost: expected === null ? null : money(expected),
  skipped: [],
})

/** Passes a plan with options and no terminal; the exit code it ends with, or 0. */
async function codeOf(plan: PlanView, options: Record<string, string> = {}, env: Record<string, string> = {}) {
  const call: Pick<Call, 'flag' | 'text' | 'io' | 'format'> = {
    flag: (name) => name in options,
    text: (name) => options[name],
    format: { kind: 'table' },
    io: { ...processIo(), env, tty: { stdin: false, stdout: false, stderr: false } },
  }
  try {
    await passCostGate(call, plan, (option) => `isobar run x.yaml ${option}`)
    return 0
  } catch (error) {
    assert.ok(error instanceof CliFault)
    return error.next[0]?.includes('--max-cost') ? [error.code, error.next[0].split(' ').at(-1)] : error.code
  }
}

test('cheap plans pass, and the limits themselves still do', async () => {
  assert.equal(await codeOf(aPlan(0, null)), 0)
  assert.equal(await codeOf(aPlan(20, 100)), 0)
  assert.equal(await codeOf(aPlan(20, null)), 0)
})

test('a micro-dollar above $20 an hour or $100 in all needs an amount, and is told which', async () => {
  assert.deepEqual(await codeOf(aPlan(20.000001, null)), [7, '21'])
  assert.deepEqual(await codeOf(aPlan(20.000001, 40)), [7, '40'])
  assert.deepEqual(await codeOf(aPlan(1, 100.000001)), [7, '101'])
  assert.deepEqual(await codeOf(aPlan(25, null), { yes: '' }), [7, '25'])
})

test('--max-cost allows exactly so much, of the whole cost where it is known', async () => {
  assert.equal(await codeOf(aPlan(25, 250), { 'max-cost': '250' }), 0)
  assert.deepEqual(await codeOf(aPlan(25, 250), { 'max-cost': '$249.99' }), [7, '250'])
  assert.equal(await codeOf(aPlan(25, null), { 'max-cost': '25' }), 0)
  assert.deepEqual(await codeOf(aPlan(1, 2), { 'max-cost': '1' }), [7, '2'])
  assert.equal(await codeOf(aPlan(1, 2), { 'max-cost': 'much' }), 2)
})

test('the limit for an hour can be moved by an option or the environment, the option first', async () => {
  assert.equal(await codeOf(aPlan(30, null), { 'confirm-above': '$30/h' }), 0)
  assert.equal(await codeOf(aPlan(30, null), {}, { ISOBAR_CONFIRM_ABOVE: '30' }), 0)
  assert.deepEqual(await codeOf(aPlan(5, null), { 'confirm-above': '1' }, { ISOBAR_CONFIRM_ABOVE: '30' }), [7, '5'])
})
