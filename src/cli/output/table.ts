import { paint, plain, type Paint } from '#cli/io.ts'

/** A column of a table of `T`. */
export type Column<T> = {
  title: string
  cell: (row: T) => string
  right?: true
  /** Only with `-o wide`. */
  wide?: true
  /** May be cut when the terminal is too narrow. */
  text?: true
  paint?: (row: T) => Paint | undefined
}

export type TableStyle = { width: number; wide: boolean; colour: boolean }

const gap = '  '
/** A column of text is never cut below this many characters. */
const least = 8

/**
 * Lays rows out in columns. When they are wider than the terminal, the widest column of text gives way first, down to
 * eight characters; what is cut ends in …. Without a terminal nothing is cut.
 */
export function renderTable<T>(rows: readonly T[], columns: readonly Column<T>[], style: TableStyle): string {
  const shown = columns.filter((column) => style.wide || !column.wide)
  const cells = rows.map((row) => shown.map((column) => plain(column.cell(row)) || '–'))
  const widths = shown.map((column, i) =>
    Math.max(lengthOf(column.title), ...cells.map((row) => lengthOf(row[i] ?? ''))),
  )
  const flexible = shown.flatMap((column, i) => (column.text ? [i] : []))
  if (!style.wide) fit(widths, flexible, style.width)
  const last = shown.length - 1
  const line = (texts: string[], painted: (i: number) => Paint | undefined): string =>
    texts
      .map((text, i) => {
        const cut = shorten(text, widths[i] ?? 0)
        const space = ' '.repeat((widths[i] ?? 0) - lengthOf(cut))
        const inked = paint(cut, painted(i), style.colour)
        if (shown[i]?.right) return space + inked
        return i === last ? inked : inked + space
      })
      .join(gap)
      .trimEnd()
  const head = line(
    shown.map(({ title }) => title),
    () => 'bold',
  )
  const body = cells.map((texts, r) =>
    line(texts, (i) => {
      const row = rows[r]
      return row === undefined ? undefined : shown[i]?.paint?.(row)
    }),
  )
  return [head, ...body, ''].join('\n')
}

/** Takes width from the widest column of text until all fits, or nothing more can be taken. */
function fit(widths: number[], flexible: number[], width: number): void {
  let over = widths.reduce((sum, one) => sum + one, gap.length * (widths.length - 1)) - width
  while (over > 0) {
    const widest = flexible.toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0))[0]
    const now = widest === undefined ? 0 : (widths[widest] ?? 0)
    if (widest === undefined || now <= least) return
    widths[widest] = now - 1
    over -= 1
  }
}

// Counted in code points: names and texts of ours are not wider than that.
const lengthOf = (text: string): number => [...text].length

function shorten(text: string, width: number): string {
  const letters = [...text]
  return letters.length <= width ? text : `${letters.slice(0, Math.max(0, width - 1)).join('')}…`
}

/** `key: value` lines with the values in one column. */
export function renderFacts(facts: readonly (readonly [string, string])[], colour: boolean): string {
  const width = Math.max(...facts.map(([key]) => key.length)) + 1
  return facts.map(([key, value]) => `${paint(`${key}:`.padEnd(width), 'dim', colour)} ${plain(value)}\n`).join('')
}
