import type { Document } from 'yaml'

import { explainErrors, parseDocuments } from './documents.ts'
import { type Explained, pathText } from './explain.ts'
import { isEmpty, locate, offsetOf, toPlain } from './plain.ts'
import { createSource, type Source, type SpecProblem } from './problem.ts'

/** What a document says, which one of its file it is (from 0), and the line (from 1) where it begins. */
type Written<T> = { value: T; document: number; line: number }

type File = {
  text: string
  filename: string
  /** What a document is called, and what to do without one. */ noun: string
  hint: string
}

/** Turns the plain value of a document into what it means, or says what is wrong with it. */
type Understand<T> = (value: unknown) => { value: T } | { problems: Explained[] }

/** More would not be read by anyone. */
const mostProblems = 100

/** Reads the YAML or JSON documents of a file. Gives all of them, or all that is wrong, in its order. */
export function readWritten<T>(
  { text, filename, noun, hint }: File,
  understand: Understand<T>,
): { values: Written<T>[] } | { problems: SpecProblem[] } {
  const source = createSource(filename, text)
  const documents = parseDocuments(text, source)
  if (!Array.isArray(documents)) return { problems: [documents] }
  const values: Written<T>[] = []
  const problems: SpecProblem[] = []
  for (const [index, document] of documents.entries()) {
    if (problems.length >= mostProblems) break
    const flaws = explainErrors(document, source, text)
    if (flaws.length === 0 && isEmpty(document)) continue // a `---` with nothing below it
    const read = flaws.length > 0 ? { problems: flaws } : readDocument(document, source, understand)
    if ('problems' in read) problems.push(...read.problems.sort((a, b) => a.line - b.line || a.column - b.column))
    else values.push({ ...read, document: index, line: source.lineOf(offsetOf(document.contents)) })
  }
  if (values.length === 0 && problems.length === 0) {
    problems.push(source.problem(0, { message: `the file holds no ${noun}`, fix: hint }))
  }
  return problems.length > 0 ? { problems: problems.slice(0, mostProblems) } : { values }
}

function readDocument<T>(
  document: Document.Parsed,
  source: Source,
  understand: Understand<T>,
): { value: T } | { problems: SpecProblem[] } {
  const { value, flaws } = toPlain(document)
  if (flaws.length > 0) {
    const problems = flaws.map(({ at, path, message, fix }) =>
      source.problem(at, { path: pathText(path), message, fix }),
    )
    return { problems }
  }
  const read = understand(value)
  if ('value' in read) return read
  const problems = read.problems.map(({ path, what, message, fix }) =>
    source.problem(locate(document, path, what), { path: pathText(path), message, fix }),
  )
  return { problems }
}
