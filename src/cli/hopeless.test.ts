import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { PlanDocumentView } from '#api/views.ts'

import { CliFault } from './fault.ts'
import { refuseHopeless } from './hopeless.ts'

const nothing = { micros: '0', text: '$0.00' }

/** A document that was placed so often, and is refused else. */
const aDocument = (placed: number, cause: string, impossible: boolean): PlanDocumentView => ({
  name: cause,
  project: 'default',
  kind: 'service',
  nodes: 1,
  replicas: 2,
  placed,
  placement: null,
  alternatives: [],
  rejections: [],
  ruleCosts: [],
  refusal: { cause, impossible, text: 'No.', lines: [`No, by ${cause}.`], next: [`isobar ${cause}`] },
  pricePerHour: nothing,
  expectedCost: null,
})

const refusal = (...documents: PlanDocumentView[]): CliFault | null => {
  const plan = { id: 'p-1', createdAt: '', expiresAt: '', appliedAt: null, documents, skipped: [] }
  try {
    refuseHopeless({ ...plan, pricePerHour: nothing, expectedCost: null })
    return null
  } catch (error) {
    assert.ok(error instanceof CliFault)
    return error
  }
}

test('what waits for room, quota, money or its deadline may wait, and so may the rest of what has started', () => {
  for (const cause of ['capacity', 'quota', 'site-unreachable', 'no-offers'])
    assert.equal(refusal(aDocument(0, cause, false)), null)
  for (const cause of ['budget', 'deadline']) assert.equal(refusal(aDocument(0, cause, true)), null)
  assert.equal(refusal(aDocument(1, 'topology', true)), null)
})

test('what no waiting could help is refused with each cause and fix, whatever else is in the file', () => {
  const fault = refusal(aDocument(0, 'capacity', false), aDocument(0, 'image', true), aDocument(0, 'quota', true))
  assert.equal(fault?.code, 6)
  assert.equal(fault.message, 'image, quota can never start as things are; nothing was submitted')
  assert.equal(fault.why, 'image: No, by image.\nquota: No, by quota.')
  assert.deepEqual(fault.next, ['isobar image', 'isobar quota', 'isobar apply p-1 (it waits until that has changed)'])
})
