/** What a round is given. */
export type Setting = {
  /** An empty folder of its own. */
  scratch: string
  /** Fractions that depend on the seed alone. */
  draw: () => number
  /** How many workloads it runs, about. */
  workloads: number
  /** Strikes at the most, and how long it may go on striking. */
  kills: number
  strikeMs: number
  /** How long the rest of the work may take then. */
  settleMs: number
  /** How many times longer than promised a recovery may take. */
  slack: number
}

/** What a round found: one line for people, and what must not be. */
export type Outcome = {
  told: string
  strikes: number
  /** How long each recovery took, in milliseconds. */
  back: number[]
  wrong: string[]
}

/** A round that cannot be had on this machine. */
export class Skipped extends Error {}

/** `about`: what it hurts, and what must hold, in a line of the help. */
export type Round = { about: string; run(setting: Setting): Promise<Outcome> }
