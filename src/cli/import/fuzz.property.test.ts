import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import * as fc from 'fast-check'

import { importSpecs } from './imported.ts'

const folder = fileURLToPath(new URL('../../../examples/import', import.meta.url))
const examples = globSync('*', { cwd: folder })
  .sort()
  .map((file) => readFileSync(join(folder, file), 'utf8'))
const pieces = examples.flatMap((text) => text.split(/\s+/))
const change = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.nat(40),
  put: fc.oneof(
    fc.constantFrom(...pieces),
    fc.string({ maxLength: 8 }),
    fc.constantFrom('\n', '  ', '-1', '{}', '[]', 'null', '1e99', '$(', 'srun ', '#SBATCH '),
  ),
})

const changed = (text: string, changes: { at: number; cut: number; put: string }[]): string =>
  changes.reduce((now, { at, cut, put }) => {
    const from = Math.floor(at * now.length)
    return now.slice(0, from) + put + now.slice(from + cut)
  }, text)

test('whatever is in a file, it is read into specs that are right, or what is wrong is said with its place', () => {
  fc.assert(
    fc.property(fc.constantFrom(...examples), fc.array(change, { minLength: 1, maxLength: 6 }), (example, changes) => {
      const text = changed(example, changes)
      const read = importSpecs({ text, filename: 'file', entrypoint: 'serve' })
      const lines = text.split('\n').length
      const places = 'problems' in read ? read.problems : read.notes
      for (const { line, message, fix } of places) assert.ok(line >= 1 && line <= lines && message !== '' && fix !== '')
      if ('problems' in read) assert.ok(read.problems.length > 0)
      else assert.ok(read.specs.length > 0)
    }),
    { seed: 61, numRuns: 500 },
  )
})
