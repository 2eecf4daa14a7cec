import { Composer, type Document, Lexer, Parser, type YAMLError } from 'yaml'

import type { Source, SpecProblem } from './problem.ts'

export const mostBytes = 10_000_000
const mostDocuments = 1000
export const mostDepth = 32
/** Words, marks and blanks that YAML sees in a file; a document of a hundred lines has about 600. */
const mostLexemes = 200_000
/** Levels of the parser's stack for each level of a document: a collection, its item and a scalar. */
const stackPerLevel = 3

/**
 * Splits a file into YAML documents. It gives up at the first bound that is passed, before anything is built from what
 * lies beyond it, so that no file takes more than about a second or any deep recursion.
 */
export function parseDocuments(text: string, source: Source): Document.Parsed[] | SpecProblem {
  const parser = new Parser()
  // Duplicate keys are looked for later, in linear time.
  const composer = new Composer({ version: '1.2', uniqueKeys: false, prettyErrors: false, logLevel: 'silent' })
  const documents: Document.Parsed[] = []
  let lexemes = 0
  const stop = (message: string, fix: string) => source.problem(parser.offset, { message, fix })
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) documents.push(...composer.next(token))
    if (++lexemes > mostLexemes) {
      return stop('the file holds too many values', 'split it into several files, or use an array for many equal tasks')
    }
    if (parser.stack.length > mostDepth * stackPerLevel) {
      return stop(`this is nested deeper than ${mostDepth} levels`, 'no field needs that: remove some of the nesting')
    }
    if (documents.length > mostDocuments) {
      return stop(`the file holds more than ${mostDocuments} documents`, 'split it into several files')
    }
  }
  for (const token of parser.end()) documents.push(...composer.next(token))
  documents.push(...composer.end(false, text.length))
  return documents
}

/** The first errors of a document; what YAML calls two and is one mistake is told once. */
export function explainErrors({ errors }: Document.Parsed, source: Source, text: string): SpecProblem[] {
  const problems = errors.slice(0, 3).map((error) => explainYaml(error, source, text))
  const isNew = (one: SpecProblem, i: number) => {
    const same = problems.findIndex(
      ({ line, column, message }) => line === one.line && column === one.column && message === one.message,
    )
    return same === i
  }
  return problems.filter(isNew)
}

/** What YAML calls an error, in words for someone who never read its specification. */
export function explainYaml(error: YAMLError, source: Source, text: string): SpecProblem {
  const [at] = error.pos
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1).split('\n', 1)[0] ?? ''
  if (error.code === 'TAB_AS_INDENT' || (/^ *\t/.test(line) && !/^\s*[{[]/.test(text))) {
    return source.problem(at, {
      message: 'YAML does not allow tabs for indentation',
      fix: 'indent with spaces, two a level',
    })
  }
  const further = indentedFurther(error, text)
  if (further !== null) {
    return source.problem(further, {
      message: 'this line is indented further than the one above, which has its value already',
      fix: 'begin it where the fields of its level begin, or put quotes around text of several lines',
    })
  }
  const [message, fix] = advice[error.code] ?? [firstLine(error.message), 'correct the YAML here']
  return source.problem(at, { message, fix })
}

/** Where the line begins that YAML takes for more of the text above it, though it has a key of its own; else null. */
function indentedFurther({ code, pos: [at] }: YAMLError, text: string): number | null {
  if (code !== 'BLOCK_AS_IMPLICIT_KEY' && code !== 'MULTILINE_IMPLICIT_KEY') return null
  const [first = '', ...below] = text.slice(at).split('\n')
  if (hasKey.test(first)) return null
  let begin = at + first.length + 1
  for (const line of below) {
    if (hasKey.test(line)) return begin + line.search(/\S/)
    begin += line.length + 1
  }
  return null
}

const hasKey = /:(\s|$)/

const quote = 'put quotes around text that holds `: `, ` #` or begins with one of @ ` % & * ! | > [ {'

const advice: Partial<Record<YAMLError['code'], [message: string, fix: string]>> = {
  BAD_ALIAS: ['this alias (*name) has no valid name', quote],
  BAD_INDENT: [
    'the indentation does not fit what is above it',
    'give the fields of one level the same number of blanks, and close each bracket and quote above',
  ],
  BAD_SCALAR_START: ['YAML reserves this first character', quote],
  BAD_DQ_ESCAPE: [
    'this is not an escape that YAML knows in double quotes',
    'write \\\\ for a backslash, or use single quotes',
  ],
  BLOCK_AS_IMPLICIT_KEY: [
    'there is a second `: ` in one line',
    'put quotes around the text, or use `|` and a new line',
  ],
  BLOCK_IN_FLOW: [
    'inside [ ] and { } YAML takes no indented list or mapping',
    'write all of it in one of the two ways',
  ],
  MISSING_CHAR: ['a bracket, quote, comma or colon is missing', 'add it; each `key:` needs a blank after the colon'],
  MULTILINE_IMPLICIT_KEY: [
    'this line has no `key:`',
    'add the key, or `|` behind the key above for text of many lines',
  ],
  KEY_OVER_1024_CHARS: ['this key is longer than 1,024 characters', 'perhaps a quote or a bracket is not closed above'],
  TAG_RESOLVE_FAILED: ['specs know no tags (!name)', 'remove the tag, or put quotes around the text'],
  UNEXPECTED_TOKEN: ['YAML expects something else here', 'look for a missing quote, bracket or indentation above'],
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? ''
