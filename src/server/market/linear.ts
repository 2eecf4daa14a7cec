import highsModule from 'highs'

import type { LinearAnswer, LinearProgram } from '#engine/market/linear.ts'

/** `whole`: in whole numbers alone. Then it is an integer program, and the answer has no duals. */
export type Question = { program: LinearProgram; seconds: number; whole: boolean }
export type Reply = { answer: LinearAnswer } | { problem: string }

// Its declarations are those of its CommonJS build, whose default lies one level deeper than that of the module.
const loadHighs = highsModule as unknown as typeof highsModule.default
const highs = await loadHighs()

/** An answer in whole numbers costs no more than this above the least that any does. */
const wholeGap = 0.001

/**
 * Fractions: an interior point without crossover, on programs of 10,000 columns ten times as fast as the simplex method.
 * Whole numbers: branch and cut. Costs are scaled to at the most 1, so that tolerances mean the same for every program.
 */
export function solve({ program, seconds, whole }: Question): Reply {
  const { costs, starts, rows, values, rowLower, rowUpper } = program
  const scale = costs.reduce((most, cost) => Math.max(most, Math.abs(cost)), 1)
  using model = highs.createModel({
    numCols: costs.length,
    numRows: rowLower.length,
    colCost: costs.map((cost) => cost / scale),
    colLower: costs.map(() => 0),
    colUpper: costs.map(() => highs.infinity),
    rowLower: rowLower.map((bound) => (bound === -Infinity ? -highs.infinity : bound)),
    rowUpper: rowUpper.map((bound) => (bound === Infinity ? highs.infinity : bound)),
    matrix: { format: 'csc', numRows: rowLower.length, numCols: costs.length, starts, indices: rows, values },
    ...(whole ? { integrality: new Int32Array(costs.length).fill(1) } : {}),
  })
  model.options.set({ output_flag: false, time_limit: seconds, mip_rel_gap: wholeGap })
  if (!whole) model.options.set({ solver: 'ipm', run_crossover: 'off' })
  model.run()
  let status = model.getModelStatus()
  // On some programs the interior point comes near an answer and no nearer.
  if (!whole && status === highs.constants.modelStatus.unknown) {
    model.options.set({ solver: 'simplex' })
    model.run()
    status = model.getModelStatus()
  }
  if (status !== highs.constants.modelStatus.optimal) return { problem: `the solver ended with status ${status}` }
  const { colValue, rowDual } = model.getSolution()
  const cost = costs.reduce((sum, each, column) => sum + each * (colValue[column] ?? 0), 0)
  const bound = whole ? Number(model.info.get('mip_dual_bound')) * scale : cost
  return { answer: { x: colValue, duals: rowDual.map((dual) => dual * scale), bound } }
}
