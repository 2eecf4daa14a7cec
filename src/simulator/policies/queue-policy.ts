import { remainingMs, type Task } from '#simulator/replay/task.ts'

/** An order of the queue, and whether it is kept by stopping who runs. */
export type QueuePolicy = {
  name: string
  summary: string
  /** The smaller goes first, among equals of priority; it may change only while a task runs. */
  key(task: Task, now: number): number
  /** Who waits may stop who runs, if its key is smaller. */
  preempts?: true
  /** Nobody passes the first of the queue. */
  strict?: true
  /** The project goes first that has the least of what it may have. */
  byProject?: true
  /** When the key of a running task changes by a step, so that who waits may go before it. */
  nextStepMs?(task: Task, now: number): number
}

const hourMs = 3_600_000

/** Units × milliseconds that a task has had: accelerators, or cores. */
function servedMs(task: Task, now: number): number {
  const held = task.heldMs + (task.state === 'running' ? now - task.startedAtMs : 0)
  return held * units(task)
}

const units = ({ demand }: Task): number => (demand.unit === 'cpu' ? demand.amount / 1000 : demand.amount)

/** The queue that a task is in by what it has had: less than an hour of one unit, two, four, … */
function level(task: Task, now: number): number {
  const served = servedMs(task, now)
  let queue = 0
  for (let bound = hourMs; served >= bound; bound *= 2) queue++
  return queue
}

export const queuePolicies: readonly QueuePolicy[] = [
  { name: 'fifo', summary: 'first come, first served; nobody passes the first', strict: true, key: () => 0 },
  { name: 'sjf', summary: 'the shortest first', key: ({ job }) => job.durationMs },
  { name: 'srtf', summary: 'the shortest remaining time first; stops longer ones', preempts: true, key: remainingMs },
  {
    name: 'srsf',
    summary: 'the least remaining service first: time × accelerators; stops larger ones',
    preempts: true,
    key: (task, now) => remainingMs(task, now) * units(task),
  },
  {
    // Tiresias (Gu et al., NSDI 2019): queues by attained service, first come first served within each.
    name: 'las',
    summary: 'the least attained service first, in queues that double; knows no durations',
    preempts: true,
    key: level,
    nextStepMs: (task, now) => now + Math.ceil((hourMs * 2 ** level(task, now) - servedMs(task, now)) / units(task)),
  },
  {
    name: 'fair',
    summary: 'the project with the least in use first; within it first come, first served',
    byProject: true,
    key: () => 0,
  },
]
