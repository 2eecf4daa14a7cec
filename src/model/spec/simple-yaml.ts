/** A document of a file: its value, which one it is (from 0), and the line (from 1) where it begins. */
export type SimpleDocument = { value: unknown; document: number; line: number }

/**
 * Reads the YAML and JSON in which nearly every spec is written, ten times as fast as a whole YAML parser does: mappings
 * and lists in blocks, text behind `|`, scalars of one line, and what stands in brackets. Null for whatever is more than
 * that, is wrong, or comes near a bound: then the parser has to read it, and can say what is wrong. What this gives is
 * what the parser would have given; a property test holds them together.
 */
export function readSimple(text: string): SimpleDocument[] | null {
  if (text.length > mostCharacters || unusual.test(text) || !text.isWellFormed()) return null
  const reader = new Reader(text)
  const documents: SimpleDocument[] = []
  let document = 0
  let isOpen = false // something stands above this line
  for (let indent = reader.indent(); indent !== null; indent = reader.indent()) {
    if (reader.take(marker)) {
      if (isOpen) document++
      if (document >= mostDocuments) return null
    } else {
      const line = reader.line
      const isBelowOther = documents.at(-1)?.document === document
      const value = indent === 0 && !isBelowOther ? reader.document() : undefined
      if (value === undefined) return null
      documents.push({ value, document, line })
    }
    isOpen = true
  }
  return reader.weight > mostWeight ? null : documents
}

/** All within the bounds of the parser, so that it would take what is taken here. */
const mostCharacters = 1_000_000
const mostDocuments = 1000
const mostWeight = 200_000
const mostDepth = 8
const longestKey = 200

/** Control characters, and blanks other than spaces and line feeds: rare, and each has a rule of its own. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const unusual = /[^\S \n]|[\u0000-\u0008\u000e-\u001f\u007f-\u009f]/

const marker = /--- *\n/y
const emptyLines = /(?: *(?:#[^\n]*)?\n)*/y
const spaces = / */y
const blanks = /[ \n]*/y
const endOfLine = /(?: *| +#[^\n]*)\n/y
const key = /([A-Za-z_][\w./-]{0,99}):(?=[ \n])/y
const quotedKey = /"([^"\\\n]{1,200})":/y
const item = /- +(?=[^\s#-]|-[^\s-])/y
const literal = /\|(-?)\n/y
const quoted = /"([^"\\\n]*)"|'([^'\n]*)'/y
const escaped = /"(?:[^"\\\n]|\\["\\/bfnrt])*"/y
/** Not what begins with a mark that means something. Colons and comments inside are looked for later. */
const plain = /(?:[^\s\-?:,[\]{}#&*!|>'"%@`]|-[A-Za-z\d-])[^\n]*/y
const plainInFlow =
  /(?!\.\.\.)(?:[A-Za-z\d_.$/+~]|-[A-Za-z\d])(?:[^\s,[\]{}:#'"]|:(?=[A-Za-z\d/])| +(?=[A-Za-z\d$/_+=<-]))*/y

/** Reads on from where it stands. A step gives undefined for what is not simple, and then all of it is given up. */
class Reader {
  /** At most so many words, marks and blanks has the parser seen for what was read here. */
  weight = 0
  /** From 1. */
  line = 1
  readonly #text: string
  readonly #endsInLine: boolean
  #at = 0
  #counted = 0

  constructor(text: string) {
    this.#endsInLine = !text.endsWith('\n')
    this.#text = this.#endsInLine ? `${text}\n` : text
  }

  /** Steps over what matches here. */
  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match) this.#at = pattern.lastIndex
    return match
  }

  /** Goes to the next line that holds something: the spaces at its begin, or null at the end. */
  indent(): number | null {
    this.take(emptyLines)
    for (let at = this.#text.indexOf('\n', this.#counted); at >= 0 && at < this.#at;) {
      this.#counted = at + 1
      this.line++
      this.weight += 4 // a blank, a blank and a comment, the end of the line
      at = this.#text.indexOf('\n', this.#counted)
    }
    if (this.#at >= this.#text.length) return null
    let end = this.#at
    while (this.#text.charCodeAt(end) === space) end++
    return end - this.#at
  }

  document(): unknown {
    this.weight += 2
    if (this.#next() !== '{') return this.#mapping(0, 1)
    const value = this.#flow(blanks, 1)
    return this.take(endOfLine) ? value : undefined
  }

  #next = (): string => this.#text.charAt(this.#at)

  /** Up to a line that is not indented like this: whoever called judges that one. */
  #mapping(indent: number, depth: number): unknown {
    if (depth > mostDepth) return undefined
    const fields: Record<string, unknown> = {}
    while (this.indent() === indent) {
      if (indent === 0 && this.#text.startsWith('---', this.#at)) break
      this.#at += indent
      const name = this.take(key)?.[1]
      if (!isNew(name, fields)) return undefined
      this.weight += 4
      const value = this.take(endOfLine) ? this.#below(indent, depth) : this.#beside(indent, depth)
      if (value === undefined) return undefined
      fields[name] = value
    }
    return fields
  }

  /** What a key has that stands alone in its line. */
  #below(indent: number, depth: number): unknown {
    const inner = this.indent() ?? -1
    const isList = this.#text.startsWith('- ', this.#at + inner)
    if (isList && inner >= indent) return this.#list(inner, depth + 1)
    return inner > indent ? this.#mapping(inner, depth + 1) : null
  }

  #beside(indent: number, depth: number): unknown {
    this.take(spaces)
    const next = this.#next()
    if (next === '|') return this.#literal(indent)
    if (next === '[' || next === '{' || next === '"' || next === "'") {
      const value = this.#flow(spaces, depth + 1)
      return this.take(endOfLine) ? value : undefined
    }
    const rest = this.take(plain)?.[0]
    if (rest === undefined) return undefined
    this.#at++
    this.weight += 2
    const comment = rest.indexOf(' #')
    const text = (comment < 0 ? rest : rest.slice(0, comment)).trimEnd()
    return text.includes(': ') || text.endsWith(':') ? undefined : valueOf(text)
  }

  /** Values of one line each. */
  #list(indent: number, depth: number): unknown {
    const values: unknown[] = []
    while (this.indent() === indent && this.#text.startsWith('- ', this.#at + indent)) {
      this.#at += indent
      const value = this.take(item) && this.#next() !== '|' ? this.#beside(indent, depth) : undefined
      if (value === undefined) return undefined
      this.weight += 2
      values.push(value)
    }
    return values
  }

  /** The text below `|`: lines that are indented more than its key. */
  #literal(indent: number): unknown {
    const header = this.take(literal)
    if (!header) return undefined
    const margin = (this.take(spaces)?.[0] ?? '').length
    if (margin <= indent) return undefined
    this.#at -= margin
    this.weight += 4
    const blank = ' '.repeat(margin)
    let value = ''
    while (this.#at < this.#text.length) {
      const end = this.#text.indexOf('\n', this.#at)
      const line = this.#text.slice(this.#at, end)
      if (line !== '' && line.trimStart() === '') return undefined
      if (line !== '' && !line.startsWith(blank)) break
      value += `${line.slice(margin)}\n`
      this.#at = end + 1
    }
    if (this.#at >= this.#text.length && this.#endsInLine) return undefined
    let end = value.length
    while (value.endsWith('\n', end)) end--
    return header[1] === '-' ? value.slice(0, end) : `${value.slice(0, end)}\n`
  }

  /** A list or mapping in brackets, or a scalar in one; what may stand between its parts is given. */
  #flow(between: RegExp, depth: number): unknown {
    if (depth > mostDepth) return undefined
    this.weight += 4
    const next = this.#next()
    if (next === '[' || next === '{') return this.#brackets(between, depth)
    if (next !== '"' && next !== "'") {
      const text = this.take(plainInFlow)?.[0]
      return text === undefined ? undefined : valueOf(text)
    }
    const simple = this.take(quoted)
    if (simple) return simple[1] ?? simple[2]
    const text = this.take(escaped)?.[0]
    return text === undefined ? undefined : JSON.parse(text)
  }

  #brackets(between: RegExp, depth: number): unknown {
    const isList = this.#next() === '['
    const close = isList ? ']' : '}'
    const values: unknown[] = []
    const fields: Record<string, unknown> = {}
    this.#at++
    this.take(between)
    while (this.#next() !== close) {
      const name = isList ? String(values.length) : (this.take(quotedKey) ?? this.take(key))?.[1]
      if (!isNew(name, fields)) return undefined
      if (!isList) this.take(between)
      const value = this.#flow(between, depth + 1)
      if (value === undefined) return undefined
      if (isList) values.push(value)
      else fields[name] = value
      this.weight += 6
      this.take(between)
      if (this.#next() === close) break
      if (this.#next() !== ',') return undefined
      this.#at++
      this.take(between)
      if (this.#next() === close) return undefined
    }
    this.#at++
    return isList ? values : fields
  }
}

const space = 32

/** Whether a key may stand here: it is text, and not there yet. */
const isNew = (name: string | undefined, fields: Record<string, unknown>): name is string =>
  name !== undefined && name.length <= longestKey && !Object.hasOwn(fields, name) && !notKeys.has(name)
const notKeys: ReadonlySet<string> = new Set(['null', 'Null', 'NULL', '<<', '__proto__'])

const words: ReadonlyMap<string, unknown> = new Map([
  ...['null', 'Null', 'NULL', '~'].map((word) => [word, null] as const),
  ...['true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['false', 'False', 'FALSE'].map((word) => [word, false] as const),
])
const decimal = /^[-+]?\d{1,15}(?:\.\d{0,15})?$/
const otherNumber =
  /^(?:[-+]?\d+|0o[0-7]+|0x[\da-fA-F]+|[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?|[-+]?\.[a-zA-Z]{3})$/

/** What the core schema of YAML 1.2 makes of plain text. Undefined for numbers of the rarer kinds. */
function valueOf(text: string): unknown {
  if (words.has(text)) return words.get(text)
  if (!/^[-+.\d]/.test(text)) return text
  if (decimal.test(text)) return Number(text)
  return otherNumber.test(text) ? undefined : text
}
