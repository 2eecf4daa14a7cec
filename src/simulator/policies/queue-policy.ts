import { remainingMs, type JobRecord } from '#simulator/replay/job-record.ts'

/** An order of the queue, and whether it is kept by stopping who runs. */
export type QueuePolicy = {
  name: string
  summary: string
  /** The smaller goes first, among equals of priority; it may change only while a job runs. */
  key(record: JobRecord, now: number): number
  /** Who waits may stop who runs, if its key is smaller. */
  preempts?: true
  /** Nobody passes the first of the queue. */
  strict?: true
  /** The project goes first that has the least in use for its weight. */
  byProject?: true
  /** When the key of a running job changes by a step, so that who waits may go before it. */
  nextStepMs?(record: JobRecord, now: number): number
}

const hourMs = 3_600_000

/** Units × milliseconds that a job has had: accelerators, or cores. */
function servedMs(record: JobRecord, now: number): number {
  const held = record.heldMs + (record.state === 'running' ? now - record.startedAtMs : 0)
  return held * units(record)
}

const units = ({ demand }: JobRecord): number => (demand.unit === 'cpu' ? demand.amount / 1000 : demand.amount)

/** The queue that a job is in by what it has had: less than an hour of one unit, two, four, … */
function level(record: JobRecord, now: number): number {
  const served = servedMs(record, now)
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
    key: (record, now) => remainingMs(record, now) * units(record),
  },
  {
    // Tiresias (Gu et al., NSDI 2019): queues by attained service, first come first served within each.
    name: 'las',
    summary: 'the least attained service first, in queues that double; knows no durations',
    preempts: true,
    key: level,
    nextStepMs: (record, now) =>
      now + Math.ceil((hourMs * 2 ** level(record, now) - servedMs(record, now)) / units(record)),
  },
  {
    name: 'fair',
    summary: 'the project with the least in use for its weight first; within it first come, first served',
    byProject: true,
    key: () => 0,
  },
]
