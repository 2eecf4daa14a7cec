import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { descriptionPath, descriptionText } from './generate.ts'

test('the description of the API that is checked in is that of the code', () => {
  const checkedIn = readFileSync(descriptionPath, 'utf8')
  assert.ok(checkedIn === descriptionText(), 'write it anew: node src/server/generate.ts')
})

test('every route of the description has a summary, a tag and problems', () => {
  const { paths } = JSON.parse(descriptionText()) as {
    paths: Record<string, Record<string, { summary?: string; tags?: string[]; responses: object }>>
  }
  for (const [path, methods] of Object.entries(paths))
    for (const [method, { summary, tags, responses }] of Object.entries(methods)) {
      assert.ok(summary && tags?.length === 1, `${method} ${path}`)
      assert.ok('4XX' in responses, `${method} ${path}`)
    }
})
