/** How a figure is counted: a number, milliseconds, a part of one, micro-dollars, or hours of an accelerator or core. */
export type Measure = 'count' | 'ms' | 'part' | 'ratio' | 'micros' | 'hours'

/** A figure of a run: what people call it, and which way is better. */
export type Figure = { title: string; measure: Measure; better: 'more' | 'less' | null; group: string }

const figure = (group: string, title: string, [measure, better]: [Measure, Figure['better']]): Figure => ({
  group,
  title,
  measure,
  better,
})

/** All figures, in the order in which they are shown. */
export const figures = {
  jobs: figure('Work', 'jobs', ['count', null]),
  ended: figure('Work', 'ended', ['count', 'more']),
  waiting: figure('Work', 'waiting at the end', ['count', 'less']),
  running: figure('Work', 'running at the end', ['count', null]),
  coming: figure('Work', 'not arrived yet', ['count', null]),
  refused: figure('Work', 'can never start', ['count', 'less']),
  deadlinesMissed: figure('Work', 'deadlines missed', ['count', 'less']),
  waitMeanMs: figure('Waits', 'wait, mean', ['ms', 'less']),
  waitP50Ms: figure('Waits', 'wait, p50', ['ms', 'less']),
  waitP99Ms: figure('Waits', 'wait, p99', ['ms', 'less']),
  waitInAllMeanMs: figure('Waits', 'waits in all, mean', ['ms', 'less']),
  completionMeanMs: figure('Completion', 'completion, mean', ['ms', 'less']),
  completionP50Ms: figure('Completion', 'completion, p50', ['ms', 'less']),
  completionP99Ms: figure('Completion', 'completion, p99', ['ms', 'less']),
  makespanMs: figure('Completion', 'makespan', ['ms', 'less']),
  makespanBoundMs: figure('Completion', 'its work bound', ['ms', null]),
  utilisation: figure('Capacity', 'utilisation', ['part', 'more']),
  availability: figure('Capacity', 'capacity that was usable', ['part', null]),
  fragmentation: figure('Capacity', 'free on nodes partly taken', ['part', 'less']),
  preemptions: figure('Disturbance', 'preemptions', ['count', 'less']),
  losses: figure('Disturbance', 'runs lost with their nodes', ['count', 'less']),
  lostHours: figure('Disturbance', 'work lost', ['hours', 'less']),
  restartHours: figure('Disturbance', 'spent on restarts', ['hours', 'less']),
  costMicros: figure('Cost', 'cost', ['micros', 'less']),
  costBoundMicros: figure('Cost', 'least cost of the work', ['micros', null]),
  costRatio: figure('Cost', 'cost over the least', ['ratio', 'less']),
  jain: figure('Fairness', "Jain's index", ['ratio', 'more']),
  shareError: figure('Fairness', 'capacity not at its fair share', ['part', 'less']),
} as const satisfies Record<string, Figure>

export type FigureName = keyof typeof figures
export const figureNames = Object.keys(figures) as FigureName[] // its own keys

/** A value of a figure; `null` where there is nothing to tell it of. Micro-dollars are text, beyond 2^53 of them too. */
export type Value = number | string | null
