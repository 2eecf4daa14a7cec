/** What is wrong with a spec, where, and what to write instead. */
export type SpecProblem = {
  file: string
  /** From 1. */
  line: number
  column: number
  /** Where in the document: `resources.accelerators[0]`; empty for all of it. */
  path: string
  /** What is wrong and why. */
  message: string
  fix: string
  /** The line of the file with a mark below it. */
  caret: string
}

/** What fits each field alone, but not the others, or not what Isobar can do yet. */
export type BrokenRule = { path: PropertyKey[]; message: string; fix: string }

/** Problems as text for people: the place, the line, the mark, the cause, and the fix last. */
export function renderProblems(problems: readonly SpecProblem[]): string {
  return problems
    .map(({ file, line, column, path, message, fix, caret }) => {
      const what = path === '' ? message : `${path}: ${message}`
      return `${file}:${line}:${column}: ${what}\n${caret}\nfix: ${fix}\n`
    })
    .join('\n')
}

/** The text of a file, able to say where in it a thing is. */
export type Source = {
  lineOf(offset: number): number
  problem(at: number, what: { path?: string; message: string; fix: string }): SpecProblem
}

/** A mark further to the right would not be seen. */
const widest = 100

export function createSource(file: string, text: string): Source {
  const starts = lineStarts(text)
  const lineOf = (offset: number): number => {
    let [low, high] = [0, starts.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return low + 1
  }
  return {
    lineOf,
    problem(at, { path = '', message, fix }) {
      // What is missing at the end of a file is shown behind the last thing in it.
      const offset = Math.max(0, Math.min(at, text.trimEnd().length))
      const line = lineOf(offset)
      const start = starts[line - 1] ?? 0
      const column = offset - start + 1
      const words = { path: harmless(path), message: harmless(message), fix: harmless(fix) }
      return { file, line, column, ...words, caret: caretText(text, start, column) }
    },
  }
}

/** A terminal must not obey what a file says: control characters are shown as blanks. */
const harmless = (text: string): string => text.slice(0, 500).replaceAll(/\p{Cc}/gu, ' ')

function lineStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

function caretText(text: string, start: number, column: number): string {
  const from = start + Math.max(0, column - widest)
  const end = text.indexOf('\n', from)
  const shown = harmless(text.slice(from, Math.min(end < 0 ? text.length : end, from + widest + 20)))
  return `  ${shown.trimEnd()}\n  ${' '.repeat(start + column - 1 - from)}^`
}
