import { paint, plain, type Paint } from '#cli/io.ts'

/** A column of a table of `T`. */
export type Column<T> = {
  title: string
  cell: (row: T) => string
  right?: true
  /** Only with `-o wide`. */
  wide?: true
  /** May be cut when the terminal is too narrow, to so many characters at least (8 when true). */
  text?: true | number
  /** What would be cut goes on in the lines below. */
  wrap?: true
  /** Left out when the terminal is too narrow for all: 1 first, then 2, and so on. */
  spare?: number
  paint?: (row: T) => Paint | undefined
}

export type TableStyle = { width: number; wide: boolean; colour: boolean }

const gap = '  '
const narrowGap = ' '
/** A column of text is not cut below so many characters, unless it says itself. */
const least = 8

/**
 * Lays rows out in columns. When they are wider than the terminal, the widest column of text gives way first, down to
 * its least, then the gaps, then the columns that can be spared; what is cut ends in …, or goes on below. Without a terminal nothing is.
 */
export function renderTable<T>(rows: readonly T[], columns: readonly Column<T>[], style: TableStyle): string {
  const shown = columns.filter((column) => style.wide || !column.wide)
  const most = Math.min(...shown.map(({ spare }) => spare ?? Number.POSITIVE_INFINITY))
  const lines = layOut(rows, shown, style)
  return lines.over <= 0 || !Number.isFinite(most)
    ? lines.text
    : renderTable(
        rows,
        shown.filter(({ spare }) => spare !== most),
        style,
      )
}

/** The text of a table, and by how much it is too wide. */
function layOut<T>(rows: readonly T[], shown: readonly Column<T>[], style: TableStyle): { text: string; over: number } {
  const cells = rows.map((row) => shown.map((column) => plain(column.cell(row)) || '–'))
  const natural = shown.map((column, i) =>
    Math.max(lengthOf(column.title), ...cells.map((row) => lengthOf(row[i] ?? ''))),
  )
  const { widths, between, over } = style.wide
    ? { widths: natural, between: gap, over: 0 }
    : fit(natural, shown, style.width)
  const last = shown.length - 1
  const line = (texts: string[], painted: (i: number) => Paint | undefined): string =>
    texts
      .map((cut, i) => {
        const space = ' '.repeat((widths[i] ?? 0) - lengthOf(cut))
        const inked = paint(cut, painted(i), style.colour)
        if (shown[i]?.right) return space + inked
        return i === last ? inked : inked + space
      })
      .join(between)
      .trimEnd()
  const linesOf = (texts: string[], painted: (i: number) => Paint | undefined): string[] => {
    const pieces = texts.map((text, i) => {
      const width = widths[i] ?? 0
      return shown[i]?.wrap ? wrapped(text, width) : [shorten(text, width)]
    })
    const height = Math.max(...pieces.map(({ length }) => length))
    return Array.from({ length: height }, (_, at) =>
      line(
        pieces.map((piece) => piece[at] ?? ''),
        painted,
      ),
    )
  }
  const head = linesOf(
    shown.map(({ title }) => title),
    () => 'bold',
  )
  const body = cells.flatMap((texts, r) =>
    linesOf(texts, (i) => {
      const row = rows[r]
      return row === undefined ? undefined : shown[i]?.paint?.(row)
    }),
  )
  return { text: [...head, ...body, ''].join('\n'), over }
}

type Fitted = { widths: number[]; between: string; over: number }

/** Takes width from the widest column of text until all fits; when that is not enough, the gaps give way too. */
function fit<T>(natural: readonly number[], columns: readonly Column<T>[], width: number): Fitted {
  const [roomy, tight] = [gap, narrowGap].map((between) => {
    const widths = [...natural]
    let over = widths.reduce((sum, one) => sum + one, between.length * (widths.length - 1)) - width
    for (let at = widest(widths, columns); over > 0 && at >= 0; over--, at = widest(widths, columns))
      widths[at] = (widths[at] ?? 0) - 1
    return { widths, between, over }
  })
  return (roomy && roomy.over <= 0 ? roomy : tight) ?? { widths: [...natural], between: gap, over: 0 }
}

/** The widest column that may still be cut; -1 when there is none. */
function widest<T>(widths: readonly number[], columns: readonly Column<T>[]): number {
  const may = columns.flatMap(({ text }, i) => {
    const floor = text === true ? least : (text ?? Number.POSITIVE_INFINITY)
    return (widths[i] ?? 0) > floor ? [i] : []
  })
  return may.reduce((best, i) => ((widths[i] ?? 0) > (widths[best] ?? -1) ? i : best), -1)
}

// Counted in code points: names and texts of ours are not wider than that.
const lengthOf = (text: string): number => [...text].length

function shorten(text: string, width: number): string {
  const letters = [...text]
  return letters.length <= width ? text : `${letters.slice(0, Math.max(0, width - 1)).join('')}…`
}

/** A text in lines of at most so many characters: between words where it can be, and nothing of them is lost. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let line: string[] = []
  for (const word of text.split(' ').map((one) => [...one])) {
    if (line.length > 0 && line.length + 1 + word.length > width) {
      lines.push(line.join(''))
      line = []
    }
    if (line.length > 0) line.push(' ')
    line.push(...word)
    while (line.length > width) lines.push(line.splice(0, Math.max(1, width)).join(''))
  }
  return [...lines, line.join('')]
}

/** `key: value` lines with the values in one column. */
export function renderFacts(facts: readonly (readonly [string, string])[], colour: boolean): string {
  const width = Math.max(...facts.map(([key]) => key.length)) + 1
  return facts.map(([key, value]) => `${paint(`${key}:`.padEnd(width), 'dim', colour)} ${plain(value)}\n`).join('')
}
