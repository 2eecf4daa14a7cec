import assert from 'node:assert/strict'
import { test } from 'node:test'

import { specSchemaText, staleFiles } from './generate.ts'
import { fieldsAt, jsonSchemaOf, kinds, kindSchemas, schemasAt } from './schema-walk.ts'

test('the generated schema and reference are what the code says', () => assert.deepEqual(staleFiles(), []))

test('the JSON Schema names all fields of all kinds, closes every mapping and describes every field', () => {
  const schema: { $schema: string; oneOf: { properties: { kind: { const: string } } }[] } = JSON.parse(specSchemaText())
  assert.match(schema.$schema, /2020-12/)
  assert.deepEqual(
    schema.oneOf.map(({ properties }) => properties.kind.const),
    [...kinds],
  )
  for (const kind of kinds) {
    const root = jsonSchemaOf(kind)
    const { shape } = kind === 'job' ? kindSchemas.job.in : kindSchemas[kind]
    assert.deepEqual(fieldsAt(root, []), Object.keys(shape))
    const check = (path: string[]): void => {
      for (const field of fieldsAt(root, path)) {
        const [found, ...more] = schemasAt(root, [...path, field])
        assert.ok(found?.description ?? found?.enum, `${kind} ${[...path, field].join('.')}`)
        for (const each of [found, ...more]) {
          if (each?.properties) assert.equal(each.additionalProperties, false, `${kind} ${field}`)
        }
        check([...path, field])
      }
    }
    check([])
  }
})
