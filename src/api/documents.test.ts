import assert from 'node:assert/strict'
import { test } from 'node:test'

import { readDocuments } from './documents.ts'
import { Problem } from './problem.ts'

const nextFor = (text: string): unknown => {
  try {
    return readDocuments({ text, filename: 'job.yaml', bundles: {} })
  } catch (error) {
    return error instanceof Problem && error.extra.next
  }
}

test('the next command for a spec that is wrong looks at it, and for a file of another program makes a spec of it', () => {
  assert.deepEqual(nextFor('kind: job\n'), ['isobar validate job.yaml'])
  assert.deepEqual(nextFor('apiVersion: batch/v1\nkind: Job\n'), ['isobar import job.yaml'])
})
