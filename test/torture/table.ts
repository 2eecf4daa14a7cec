import type { Outcome } from './round.ts'

/** A round that was run, or could not be: then `skipped` says why. */
export type Ran = Outcome & { name: string; seed: number; seconds: number; skipped?: string }

const heads = ['round', 'seed', 'strikes', 'back: median', 'slowest', 'violations', 'took']

/** One line a round, for people; times of recovery in milliseconds. */
export function tableOf(all: readonly Ran[]): string {
  const lines = [heads, ...all.map(cellsOf)]
  const widths = heads.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)))
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)
  return lines.map((cells) => cells.map(pad).join('  ').trimEnd()).join('\n')
}

function cellsOf({ name, seed, seconds, strikes, back, wrong, skipped }: Ran): string[] {
  if (skipped !== undefined) return [name, String(seed), 'skipped', '', '', '', `${seconds} s`]
  const sorted = back.toSorted((a, b) => a - b)
  const median = ms(sorted[Math.floor(sorted.length / 2)])
  return [name, String(seed), String(strikes), median, ms(sorted.at(-1)), String(wrong.length), `${seconds} s`]
}

const ms = (value: number | undefined): string => (value === undefined ? '' : `${Math.round(value)} ms`)
