/**
 * A linear program in numbers: the least `costs · x` with `rowLower ≤ A x ≤ rowUpper` and `x ≥ 0`. A is stored by
 * columns: those of column j are `starts[j]` to `starts[j + 1]` of `rows` and `values`.
 */
export type LinearProgram = {
  costs: number[]
  starts: number[]
  rows: number[]
  values: number[]
  rowLower: number[]
  rowUpper: number[]
}

/**
 * `x`, for each row what one more unit of its bound would add to the cost (so for a scarce row below 0), and the least
 * that any answer can cost.
 */
export type LinearAnswer = { x: Float64Array; duals: Float64Array; bound: number }

/** Grows a linear program: first its rows, then its columns. Both are numbered as they come. */
export function buildLinear() {
  const program: LinearProgram = { costs: [], starts: [0], rows: [], values: [], rowLower: [], rowUpper: [] }
  return {
    program,
    row(lower: number, upper: number): number {
      program.rowLower.push(lower)
      return program.rowUpper.push(upper) - 1
    },
    /** With the rows in which it counts, each at the most once. */
    column(cost: number, entries: Iterable<{ row: number; value: number }>): number {
      for (const { row, value } of entries) {
        program.rows.push(row)
        program.values.push(value)
      }
      program.starts.push(program.rows.length)
      return program.costs.push(cost) - 1
    },
  }
}
