import { z } from 'zod'

import { explainErrors, mostBytes, parseDocuments } from '#model/spec/documents.ts'
import { explainFields, pathText } from '#model/spec/explain.ts'
import { locate, toPlain } from '#model/spec/plain.ts'
import { createSource, type SpecProblem } from '#model/spec/problem.ts'
import type { JsonSchema } from '#model/spec/schema-walk.ts'
import { type Input, InputFault } from '#simulator/traces/input.ts'

/** The value of a YAML or JSON file, and how to point at a path in it. */
export type Read<T> = { value: T; wrong: (path: PropertyKey[], message: string, fix: string) => InputFault }

/** Reads a file of one YAML or JSON document by its schema. Throws all that is wrong at once, with places and fixes. */
export function readDocument<S extends z.ZodType>(input: Input, schema: S, noun: string): Read<z.output<S>> {
  const { text } = input
  if (text.length > mostBytes) throw input.wrong(0, `this is larger than ${mostBytes} bytes`, 'make it smaller')
  const source = createSource(input.file, text)
  const documents = parseDocuments(text, source)
  if (!Array.isArray(documents)) throw new InputFault([documents])
  const [document, second] = documents
  if (!document) throw input.wrong(0, `${noun} is empty`, 'see isobar help simulate')
  if (second) throw input.wrong(second.range[0], `${noun} is one document, and here a second begins`, 'remove the rest')
  const flaws = explainErrors(document, source, text)
  if (flaws.length > 0) throw new InputFault(flaws)
  const plain = toPlain(document)
  const point = (path: PropertyKey[], what: 'key' | 'value', [message, fix]: [string, string]): SpecProblem =>
    source.problem(locate(document, path, what), { path: pathText(path), message, fix })
  if (plain.flaws.length > 0)
    throw new InputFault(plain.flaws.map(({ path, message, fix }) => point(path, 'value', [message, fix])))
  const read = schema.safeParse(plain.value)
  if (read.success)
    return { value: read.data, wrong: (path, message, fix) => new InputFault([point(path, 'value', [message, fix])]) }
  const context = { noun, schema: z.toJSONSchema(schema, { io: 'input' }) as JsonSchema, root: plain.value } // zod's is wider
  const problems = explainFields(context, read.error.issues).slice(0, mostProblems)
  const pointed = problems.map(({ path, what, message, fix }) => point(path, what, [message, fix]))
  throw new InputFault(pointed.sort((a, b) => a.line - b.line || a.column - b.column))
}

const mostProblems = 20
