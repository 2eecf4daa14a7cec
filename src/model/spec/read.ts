import type { Document } from 'yaml'

import { didYouMean } from '#kit/did-you-mean.ts'
import { explainYaml, mostBytes, parseDocuments } from './documents.ts'
import { type Explained, explainIssues, pathText } from './explain.ts'
import { isEmpty, locate, offsetOf, toPlain } from './plain.ts'
import { createSource, type Source, type SpecProblem } from './problem.ts'
import { brokenRules } from './rules.ts'
import { type Kind, kinds, kindSchemas } from './schema-walk.ts'
import { readSimple } from './simple-yaml.ts'
import type { Spec } from './spec.ts'

/** A spec, and where in its file it stands. */
export type ReadSpec = {
  spec: Spec
  /** From 0. */
  document: number
  /** From 1. */
  line: number
}

/** More would not be read by anyone. */
const mostProblems = 100

/**
 * Reads a file of specs: YAML 1.2 or JSON, one or several documents. Gives all of them, or all that is wrong; never
 * throws. Bounded in size, depth, documents, values and time.
 */
export function readSpecs(text: string, filename: string): { specs: ReadSpec[] } | { problems: SpecProblem[] } {
  if (text.length > mostBytes) {
    const source = createSource(filename, '')
    const message = `the file holds ${text.length} characters, the most is ${mostBytes}`
    return { problems: [source.problem(0, { message, fix: 'split it into several files' })] }
  }
  const specs = simpleSpecs(text)
  return specs ? { specs } : parseSpecs(text, filename)
}

/** What is simply written and right; null when a problem has to be looked for, or the parser is needed. */
function simpleSpecs(text: string): ReadSpec[] | null {
  const specs: ReadSpec[] = []
  for (const { value, document, line } of readSimple(text) ?? []) {
    const kind = kindOf(value)
    const spec = typeof kind === 'string' ? check(kind, value) : null
    if (spec === null || Array.isArray(spec)) return null
    specs.push({ spec, document, line })
  }
  return specs.length > 0 ? specs : null
}

function parseSpecs(text: string, filename: string): { specs: ReadSpec[] } | { problems: SpecProblem[] } {
  const source = createSource(filename, text)
  const documents = parseDocuments(text, source)
  if (!Array.isArray(documents)) return { problems: [documents] }
  const specs: ReadSpec[] = []
  const problems: SpecProblem[] = []
  for (const document of documents) {
    if (problems.length >= mostProblems) break
    const flaws = document.errors.slice(0, 3).map((error) => explainYaml(error, source, text))
    if (flaws.length === 0 && isEmpty(document)) continue // a `---` with nothing below it
    const read = flaws.length > 0 ? flaws : readDocument(document, source)
    if (Array.isArray(read)) problems.push(...read.sort((a, b) => a.line - b.line || a.column - b.column))
    else
      specs.push({
        spec: read,
        document: documents.indexOf(document),
        line: source.lineOf(offsetOf(document.contents)),
      })
  }
  if (specs.length === 0 && problems.length === 0) {
    problems.push(source.problem(0, { message: 'the file holds no spec', fix: 'let `isobar init` write an example' }))
  }
  return problems.length > 0 ? { problems: problems.slice(0, mostProblems) } : { specs }
}

function readDocument(document: Document.Parsed, source: Source): Spec | SpecProblem[] {
  const { value, flaws } = toPlain(document)
  if (flaws.length > 0) {
    return flaws.map(({ at, path, message, fix }) => source.problem(at, { path: pathText(path), message, fix }))
  }
  const kind = kindOf(value)
  const read = typeof kind === 'string' ? check(kind, value) : [kind]
  if (!Array.isArray(read)) return read
  return read.map(({ path, what, message, fix }) =>
    source.problem(locate(document, path, what), { path: pathText(path), message, fix }),
  )
}

function check(kind: Kind, value: unknown): Spec | Explained[] {
  const parsed = kindSchemas[kind].safeParse(value)
  if (!parsed.success) return explainIssues(kind, value, parsed.error.issues)
  const broken = brokenRules(parsed.data)
  return broken.length > 0 ? broken.map((rule) => ({ ...rule, what: 'value' })) : parsed.data
}

const say = (path: PropertyKey[], message: string, fix: string): Explained => ({ path, what: 'value', message, fix })

function kindOf(value: unknown): Kind | Explained {
  const choice = `write kind: ${kinds.join(', kind: ').replace(/, ([^,]*)$/, ' or $1')}`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return say([], 'a spec is a mapping of fields', 'begin with `kind: job`, one field a line')
  }
  const kind = 'kind' in value ? value.kind : undefined
  if (kind === undefined) return say([], 'kind is missing: it says what this is', choice)
  const known = kinds.find((each) => each === kind)
  if (known) return known
  const near = didYouMean(String(kind), kinds)
  const message = `${JSON.stringify(kind)?.slice(0, 60)} is not a kind of workload`
  return say(['kind'], message, near ? `did you mean kind: ${near}?` : choice)
}
