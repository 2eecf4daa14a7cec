import assert from 'node:assert/strict'
import { test } from 'node:test'

import { formatMoney } from '#kit/money.ts'

import * as fc from 'fast-check'

import { parseFormat } from './format.ts'
import { jsonPath } from './jsonpath.ts'
import { renderFacts, renderTable, type Column } from './table.ts'
import { exactInColumn, inColumn } from './words.ts'

type Row = { name: string; price: string; why: string }
const columns: Column<Row>[] = [
  { title: 'NAME', cell: ({ name }) => name, text: true },
  { title: 'PRICE', cell: ({ price }) => price, right: true, paint: () => 'green' },
  { title: 'WHY', cell: ({ why }) => why, text: true },
  { title: 'MORE', cell: ({ why }) => why.length.toString(), wide: true },
]
const rows: Row[] = [
  { name: 'train', price: '$1.00', why: 'waits for eight accelerators in one block' },
  { name: 'a', price: '$12.00', why: '' },
]
const unlimited = { width: Number.POSITIVE_INFINITY, wide: false, colour: false }

test('a table stands in columns, numbers to the right, and nothing is cut without a terminal', () => {
  assert.equal(
    renderTable(rows, columns, unlimited),
    ['NAME    PRICE  WHY', 'train   $1.00  waits for eight accelerators in one block', 'a      $12.00  –', ''].join(
      '\n',
    ),
  )
})

test('on a narrow terminal the widest column of text gives way', () => {
  const text = renderTable(rows, columns, { ...unlimited, width: 30 })
  assert.equal(text.split('\n')[1], 'train   $1.00  waits for eigh…')
})

test('a column keeps the least that it asks for, and the gaps give way last', () => {
  const kept = columns.map((column) => (column.title === 'NAME' ? { ...column, text: 5 } : column))
  const text = renderTable(rows, kept, { ...unlimited, width: 21 })
  assert.equal(text.split('\n')[1], 'train  $1.00 waits f…')
})

test('a column that can be spared is left out before a line is too wide, the first to spare first', () => {
  const spared = columns.map((column) => (column.title === 'PRICE' ? { ...column, spare: 1 } : column))
  assert.match(renderTable(rows, spared, { ...unlimited, width: 24 }), /^NAME +PRICE +WHY\n/)
  assert.match(renderTable(rows, spared, { ...unlimited, width: 20 }), /^NAME +WHY\n/)
  assert.match(renderTable(rows, spared, { ...unlimited, width: 20, wide: true }), /PRICE/)
})

test('no line is wider than the terminal while text can give way, and every row has a line', () => {
  const row = fc.record({ name: fc.string({ maxLength: 30 }), price: fc.string({ maxLength: 6 }), why: fc.string() })
  fc.assert(
    fc.property(fc.array(row, { maxLength: 8 }), fc.integer({ min: 40, max: 120 }), (many, width) => {
      const lines = renderTable(many, columns, { ...unlimited, width }).split('\n')
      assert.equal(lines.length, many.length + 2)
      for (const line of lines) assert.ok([...line].length <= width, line)
    }),
    { numRuns: 200 },
  )
})

test('what goes on below is whole, in its column, and breaks between words where it can', () => {
  const wraps = columns.map((column) => (column.title === 'WHY' ? { ...column, wrap: true as const } : column))
  assert.equal(
    renderTable([...rows, { name: 'b', price: '$1.00', why: 'in /a/path/longer/than/that, too' }], wraps, {
      ...unlimited,
      width: 30,
    }),
    [
      'NAME    PRICE  WHY',
      'train   $1.00  waits for eight',
      '               accelerators in',
      '               one block',
      'a      $12.00  –',
      'b       $1.00  in',
      '               /a/path/longer/',
      '               than/that, too',
      '',
    ].join('\n'),
  )
})

test('wide shows every column whole', () => {
  const text = renderTable(rows, columns, { width: 20, wide: true, colour: false })
  assert.match(text, /MORE\n.* in one block {2}41\n/)
})

test('colour surrounds the text and does not count as width', () => {
  const text = renderTable(rows, columns, { ...unlimited, colour: true })
  assert.ok(text.includes('train   \u001B[32m$1.00\u001B[0m  waits'))
})

test('what others wrote cannot steer the terminal', () => {
  const evil = [{ name: 'x\u001B[2Jy\nz', price: '', why: '' }]
  assert.match(renderTable(evil, columns, unlimited), /\nx \[2Jy z/)
  assert.equal(renderFacts([['Why', 'a\u0007b']], false), 'Why: a b\n')
})

const answer = {
  items: [
    { name: 'a', labels: { 'team.x': 'red' }, n: 1 },
    { name: 'b', n: null },
  ],
  next: null,
}

test('paths find keys, indices, every item and quoted keys', () => {
  assert.equal(jsonPath('.items[0].name', answer), 'a')
  assert.equal(jsonPath('{.items[*].name}', answer), 'a\nb')
  assert.equal(jsonPath('$.items[-1].name', answer), 'b')
  assert.equal(jsonPath("items[0].labels['team.x']", answer), 'red')
  assert.equal(jsonPath('.items[0].labels', answer), '{"team.x":"red"}')
  assert.equal(jsonPath('.items[*].n', answer), '1\nnull')
  assert.equal(jsonPath('{.items[0].name} is {.items[0].n}\\n', answer), 'a is 1\n')
  assert.equal(jsonPath('{.items[*].name}{"\\t"}{.next}', answer), 'a b\tnull')
})

test('what is not there is nothing, and what is no path is an error', () => {
  assert.equal(jsonPath('.items[7].name', answer), '')
  assert.equal(jsonPath('.constructor.name', answer), '')
  for (const wrong of ['.items[', '.items[?(@.n==1)]', '..name', '.a b'])
    assert.throws(() => jsonPath(wrong, answer), /not a path/, wrong)
})

test('a path never throws anything else, whatever it is', () => {
  fc.assert(
    fc.property(fc.string(), fc.json(), (path, json) => {
      try {
        jsonPath(path, JSON.parse(json))
      } catch (error) {
        assert.match(String(error), /not a path/)
      }
    }),
  )
})

test('formats are a closed list', () => {
  assert.deepEqual(parseFormat('jsonpath=.a'), { kind: 'jsonpath', path: '.a' })
  assert.deepEqual(parseFormat('wide'), { kind: 'wide' })
  assert.throws(() => parseFormat('xml'), /no output format "xml"/)
})

const money = (micros: number) => ({ micros: String(micros), text: formatMoney(BigInt(micros)) })

test('money in a column has the decimals that its smallest amount needs, the points in one line', () => {
  const shown = (...amounts: number[]) => amounts.map(money).map(inColumn(amounts.map(money)))
  assert.deepEqual(shown(0, 1_234_567_890), ['$0.00', '$1,234.57'])
  assert.deepEqual(shown(100_800, 250_000), ['$0.1008', '$0.2500'])
  assert.deepEqual(shown(0, 308, 2_000_000), ['$0.000000', '$0.000308', '$2.000000'])
  const exact = [0, 308, 1_500_000].map(money)
  assert.deepEqual(exact.map(exactInColumn(exact)), ['$0.000000', '$0.000308', '$1.500000'])
})
