import { didYouMean } from '#kit/did-you-mean.ts'
import { parseDuration } from '#kit/duration.ts'
import type { Input, InputFault } from './input.ts'

/** One line of a CSV file. Asking for a column that the file does not have gives empty text. */
export type Row = {
  text(column: string): string
  wrong(column: string, message: string, fix: string): InputFault
}

export type Columns = {
  required: readonly string[]
  /** With them no other column is allowed; without them others are not looked at. */
  optional?: readonly string[]
}

type Cell = { text: string; at: number }

/** The lines of a CSV file with a header, one after another. Cells may stand in double quotes, on one line. */
export function* readTable(input: Input, columns: Columns): Generator<Row> {
  const lines = linesOf(input.text)
  const header = lines.next().value
  if (!header) throw input.wrong(0, 'the file is empty', `begin with the line ${columns.required.join(',')}`)
  const places = placesOf(input, splitLine(header.text, header.at), columns)
  const width = splitLine(header.text, header.at).length
  for (const { text, at } of lines) {
    const cells = text.includes('"') ? splitLine(text, at) : undefined
    const plain = cells ? cells.map((cell) => cell.text) : text.split(',')
    if (cells?.at(-1) === openQuote)
      throw input.wrong(at, 'a quote in this line is not closed', 'close it, and write two for a quote in text')
    if (plain.length !== width) {
      const message = `this line has ${count(plain.length, 'cell')}, and the header ${width}`
      throw input.wrong(at, message, 'put text that holds commas in double quotes, or add what is missing')
    }
    yield {
      text: (column) => plain[places.get(column) ?? -1]?.trim() ?? '',
      wrong: (column, message, fix) => {
        const cell = (cells ?? splitLine(text, at))[places.get(column) ?? 0]
        return input.wrong(cell?.at ?? at, `${column}: ${message}`, fix)
      },
    }
  }
}

const count = (n: number, thing: string): string => `${n} ${thing}${n === 1 ? '' : 's'}`

function placesOf(input: Input, header: readonly Cell[], { required, optional }: Columns): Map<string, number> {
  const places = new Map<string, number>()
  const known = [...required, ...(optional ?? [])]
  for (const [index, { text, at }] of header.entries()) {
    if (places.has(text)) throw input.wrong(at, `the column ${text} is there twice`, 'keep one of the two')
    if (optional && !known.includes(text)) {
      const near = didYouMean(text, known)
      throw input.wrong(
        at,
        `there is no column "${text}"`,
        near ? `did you mean ${near}?` : `use one of ${known.join(', ')}`,
      )
    }
    places.set(text, index)
  }
  for (const column of required)
    if (!places.has(column)) throw input.wrong(0, `the column ${column} is missing`, `add it: ${required.join(',')}`)
  return places
}

/** Lines with something on them, and where each begins. */
export function* linesOf(text: string): Generator<Cell, undefined> {
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\n', at)
    const line = text.slice(at, end < 0 ? text.length : end).replace(/\r$/, '')
    if (line.trim() !== '') yield { text: line, at }
    at = end < 0 ? text.length : end + 1
  }
  return undefined
}

const openQuote: Cell = { text: '', at: -1 }

/** The cells of a line, without their quotes, and where each begins; at a quote that is not closed it gives up. */
function splitLine(line: string, offset: number): Cell[] {
  const cells: Cell[] = []
  for (let from = 0; ;) {
    const begin = afterBlanks(line, from)
    const isQuoted = line[begin] === '"'
    const end = isQuoted ? afterBlanks(line, afterQuoted(line, begin)) : endOfBare(line, begin)
    if (isQuoted && end < line.length && line[end] !== ',') return [...cells, openQuote]
    if (end > line.length) return [...cells, openQuote]
    const text = line.slice(begin, end).trim()
    cells.push({ text: isQuoted ? text.slice(1, -1).replaceAll('""', '"') : text, at: offset + begin })
    if (end === line.length) return cells
    from = end + 1
  }
}

function afterBlanks(line: string, from: number): number {
  let at = from
  while (line[at] === ' ' || line[at] === '\t') at++
  return at
}

/** Behind the quote that closes the one at `begin`; beyond the line where none does. */
function afterQuoted(line: string, begin: number): number {
  for (let at = line.indexOf('"', begin + 1); at >= 0; at = line.indexOf('"', at + 2))
    if (line[at + 1] !== '"') return at + 1
  return line.length + 1
}

function endOfBare(line: string, begin: number): number {
  const end = line.indexOf(',', begin)
  return end < 0 ? line.length : end
}

/** A whole number of a cell; `otherwise` where the cell is empty. */
export function wholeNumber(
  row: Row,
  column: string,
  { least = 0, most = 2 ** 40, otherwise }: { least?: number; most?: number; otherwise?: number } = {},
): number {
  const text = row.text(column)
  if (text === '' && otherwise !== undefined) return otherwise
  const value = Number(text)
  if (text !== '' && Number.isInteger(value) && value >= least && value <= most) return value
  const message = text === '' ? 'is empty' : `"${text}" is not a whole number from ${least} to ${most}`
  throw row.wrong(column, message, `write for example ${Math.max(least, 1)}`)
}

/** A number of seconds, decimals allowed, as whole milliseconds. */
export function secondsAsMs(row: Row, column: string): number {
  const text = row.text(column)
  const value = Number(text)
  if (text !== '' && value >= 0 && value < 1e11) return Math.round(value * 1000)
  throw row.wrong(column, text === '' ? 'is empty' : `"${text}" is not a number of seconds`, 'write for example 90')
}

/** A duration such as `90s` or `2h`, or a bare number of seconds, in milliseconds; `otherwise` where it is empty. */
export function durationCell<T>(row: Row, column: string, otherwise: T): number | T {
  const text = row.text(column)
  if (text === '') return otherwise
  const read = parseDuration(/^\d+(\.\d+)?$/.test(text) ? Number(text) : text)
  if (typeof read === 'number') return read
  throw row.wrong(column, read.problem.split('; ')[0] ?? '', 'write for example 90s, 30m, 1h30m or 7d')
}

/** A moment such as `2017-10-09 07:01:55` or `2017-10-09T07:01:55.5Z`, in milliseconds since the epoch. Without a zone it is UTC. */
export function momentCell(row: Row, column: string): number {
  const text = row.text(column)
  const match = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?$/.exec(text)
  const [, day, time, fraction = '', zone = 'Z'] = match ?? []
  const value = match
    ? Date.parse(`${day}T${time}${zone}`) + Math.round(Number(`0${fraction || '.0'}`) * 1000)
    : Number.NaN
  if (Number.isFinite(value)) return value
  throw row.wrong(column, `"${text}" is not a moment`, 'write for example 2017-10-09 07:01:55')
}
