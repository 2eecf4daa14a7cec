import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import * as fc from 'fast-check'
import { stringify } from 'yaml'

import { parseDocuments } from './documents.ts'
import { isEmpty, offsetOf, toPlain } from './plain.ts'
import { createSource } from './problem.ts'
import { readSimple, type SimpleDocument } from './simple-yaml.ts'

/** What the parser makes of a text; null where it sees anything wrong. */
function parsed(text: string): SimpleDocument[] | null {
  const source = createSource('f.yaml', text)
  const documents = parseDocuments(text, source)
  if (!Array.isArray(documents)) return null
  const read = documents.flatMap((document, index) => {
    if (document.errors.length > 0) return [null]
    if (isEmpty(document)) return []
    const { value, flaws } = toPlain(document)
    return [flaws.length > 0 ? null : { value, document: index, line: source.lineOf(offsetOf(document.contents)) }]
  })
  return read.some((document) => document === null) ? null : read.filter((document) => document !== null)
}

/** Whether it was read, and then as the parser reads it. */
function agrees(text: string): boolean {
  const simple = readSimple(text)
  if (simple) assert.deepStrictEqual(simple, parsed(text), JSON.stringify(text))
  return simple !== null
}

const examples = fileURLToPath(new URL('../../../examples/', import.meta.url))
const files = globSync('{*,train/*}.yaml', { cwd: examples }).map((file) => readFileSync(`${examples}${file}`, 'utf8'))

const train = `# A gang
kind: job
name: train-7b   # what people say
nodes: 8
resources: # of each node
  accelerators: [H200:8, H100:8]
  memory: 1TB+

  cpus: 96+
run: torchrun --nnodes $ISOBAR_NODES train.py --url http://x:80/#a
env: { NCCL_DEBUG: INFO, STEPS: 300, "ON": true, RATE: -0.5, A: 'it is', B: "a\\n\\"b\\"" }
setup: |
  pip install -r requirements.txt

    echo "x: y" # kept
secrets:
- HF_TOKEN
- WANDB
data:
  - {name: a, location: s3://bucket/x}
image:
`

test('specs as people and programs write them are read without the parser', () => {
  for (const text of [...files, train, `${train}---\n${train}`, `---\n---\n# no\n--- \n${train}---\n`])
    assert.ok(agrees(text), text)
  for (const indent of [0, 2])
    assert.ok(agrees(JSON.stringify({ kind: 'job', a: [1, { b: 'x\ny' }], c: {} }, null, indent)))
  assert.ok(agrees(Array.from({ length: 1000 }, () => train.split('setup')[0]).join('---\n')))
})

test('what is wrong, rare, or too much is left to the parser', () => {
  const odd = [
    'a: 1\na: 2', 'a: "1', 'a: b: c', 'a: &x 1', 'a: *x', 'a: !t 1', 'a: 0x10', 'a: .inf', 'a: >\n  x\n', '? a\n: b', '- a',
    'a:\n\tb: 1', 'a: {b: 1, b: 2}', '__proto__: 1', 'a: "\\u0000"', 'null: 1', 'a: {"<<": 1}', 'a: b\n  c', 'a: |\n  x', 'a:\n  b\n',
    'a: [1,\n  2]', ' a: 1', 'a: 1\r\n', 'a: \u2028', 'a: 1\n...\n', '%YAML 1.2\n---\na: 1', '{a: 1}\n{b: 1}',
    'a: \ud800', '{"a": 1, "a": 2}', 'a: [b: c]', `a: ${'['.repeat(40)}${']'.repeat(40)}`, 'a: 1\n---\n'.repeat(1002),
    `a: 1\n${'---\n'.repeat(1500)}`, '{\n"a": 1,\n...\n}', '{"a":\n...x}',
    `a: [${'1, '.repeat(100_000)}1]`, `a: |\n${'  x\n'.repeat(300_000)}`,
  ] // prettier-ignore
  for (const text of odd) assert.equal(readSimple(text), null, text.slice(0, 80))
})

test('blank lines inside a text take no longer than others', () => {
  assert.ok(agrees(`a: |-\n  x\n${'\n'.repeat(1000)}  y\n`))
  const began = performance.now()
  readSimple(`a: |-\n  x\n${'\n'.repeat(500_000)}  y\n`)
  assert.ok(performance.now() - began < 5000) // looking for the end of the text from each of them took minutes
})

const marks = [
  ...'ab1-:?[]{},&*!|>\'"%@`#\n ~<=.0',
  '\n  ',
  '\n    ',
  ': ',
  '- ',
  ', ',
  ' #',
  '---\n',
  'k: ',
  'b:\n',
  '|\n  ',
  '|-\n',
  'null',
  '-1',
  '\u00a0',
  '\\n',
]

test('whatever it reads, it reads as the parser does', () => {
  const runs = Number(process.env.ISOBAR_TEST_RUNS ?? 1500)
  const some = fc.string({ unit: fc.constantFrom(...marks), maxLength: 40 })
  fc.assert(
    fc.property(some, (text) => void agrees(`kind: ${text}`)),
    { numRuns: runs },
  )
  const change = fc.record({ at: fc.nat(), cut: fc.nat(8), put: fc.constantFrom('', ...marks) })
  fc.assert(
    fc.property(fc.constantFrom(train, ...files), fc.array(change, { minLength: 1, maxLength: 3 }), (text, changes) => {
      for (const { at, cut, put } of changes) {
        const from = at % (text.length + 1)
        text = text.slice(0, from) + put + text.slice(from + cut)
      }
      agrees(text)
    }),
    { numRuns: runs },
  )
})

test('values are read as the parser reads them, in whatever style they are written', () => {
  const scalar = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: fc.constantFrom(...'ab: #-1.e0x+~"\'\n,[]'), maxLength: 12 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  )
  const keys = fc.oneof(fc.stringMatching(/^[a-z_][a-z0-9_.-]{0,8}$/), fc.string({ maxLength: 6 }))
  const inner = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      scalar,
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(keys, tie('any'), { maxKeys: 4 }),
    ),
  })).any
  const style = fc.record({
    collectionStyle: fc.constantFrom('any' as const, 'block' as const, 'flow' as const),
    indent: fc.constantFrom(2, 4),
    indentSeq: fc.boolean(),
  })
  let read = 0
  fc.assert(
    fc.property(fc.dictionary(keys, inner, { minKeys: 1, maxKeys: 5 }), style, (value, how) => {
      if (agrees(stringify(value, { ...how, lineWidth: 0 }))) read++
      if (agrees(JSON.stringify(value))) read++
    }),
    { numRuns: 1000 },
  )
  assert.ok(read > 250, `${read} were read`)
})
