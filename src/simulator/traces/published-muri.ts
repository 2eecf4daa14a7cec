import type { MuriPolicy, MuriResult } from '#simulator/replay/muri.ts'

import type { Input } from './input.ts'
import { readTable } from './table.ts'

/** A figure that the paper printed. */
export type Published = {
  trace: string
  policy: MuriPolicy
  metric: Exclude<keyof MuriResult, 'plans'>
  /** As it was printed. */
  text: string
}

const metrics: Record<string, Published['metric']> = {
  mean_jct_s: 'meanSeconds',
  p99_jct_s: 'p99Seconds',
  makespan_s: 'makespanSeconds',
}

/** The published figures of the policies that the compatibility mode knows. */
export function publishedMuri(input: Input): Published[] {
  return [...readTable(input, { required: ['trace', 'policy', 'metric', 'value'] })].flatMap((row) => {
    const policy = row.text('policy').toLowerCase()
    const metric = metrics[row.text('metric')]
    if ((policy !== 'srtf' && policy !== 'srsf') || !metric) return []
    return [{ trace: row.text('trace'), policy, metric, text: row.text('value') }]
  })
}

/** A figure with as many decimals as a printed one. */
export const asPrinted = (value: number, text: string): string => value.toFixed(text.split('.')[1]?.length ?? 0)
