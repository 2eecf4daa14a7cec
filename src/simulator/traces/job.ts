import type { Project } from '#model/project.ts'

/** What is given out of a node: accelerators, or CPUs where it has none. */
export type Unit = 'gpu' | 'cpu'

/** Levels of a topology by the words of a spec, and how many there are below it in a fleet: 0 is anywhere in a site. */
export const levels = { site: 0, nvlink: 1, block: 2 } as const

/** What is taken of one accelerator, beside others: thousandths of it, or a slice by the name that MIG has for it. */
export type Part = { shareMilli: number; profile?: undefined } | { profile: string; shareMilli?: undefined }

/** A piece of work in a trace. */
export type Job = {
  id: string
  /** Milliseconds since the trace began. */
  arrivalMs: number
  unit: Unit
  /** What all its ranks ask for together: accelerators, or thousandths of a core. */
  amount: number
  /** Equal ranks of the gang; 0 where it takes as few nodes as it can: whole ones, and the remainder on one. */
  ranks: number
  /** All its nodes stand in one domain of this level (see `levels`): 1 is the tightest that a fleet has, 0 is none. */
  within: number
  /** Of the one accelerator that it asks for it takes this; `null` where it takes all of what it asks for. */
  part: Part | null
  /** How long it runs when nothing stops it. */
  durationMs: number
  /** The greater goes first. */
  priority: number
  project: string
  /** The kind of work it is; waits are told by it. */
  kind: string
  /** When it should have ended, in milliseconds since the trace began. */
  deadlineMs: number | null
  /** It saves its work so often; 0 always, `null` where the trace does not say. What was not saved is lost with its nodes. */
  checkpointMs: number | null
  /** What starting again costs it, `null` where the trace does not say. */
  restartMs: number | null
}

export type Trace = {
  file: string
  format: string
  /** In the order of their arrival. */
  jobs: Job[]
  /** What it says of projects, if it does. */
  projects?: Project[]
}

/** A job of which a trace says no more than it must. */
export const jobOf = (job: Pick<Job, 'id' | 'arrivalMs' | 'amount' | 'durationMs'> & Partial<Job>): Job => ({
  unit: 'gpu',
  ranks: 0,
  within: 0,
  part: null,
  priority: 0,
  project: 'default',
  kind: 'job',
  deadlineMs: null,
  checkpointMs: null,
  restartMs: null,
  ...job,
})

/** In the order of arrival; those that arrive together stay in the order of the file. */
export const byArrival = (jobs: Job[]): Job[] => jobs.sort((a, b) => a.arrivalMs - b.arrivalMs)
