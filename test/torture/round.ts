/** What a round is given. */
export type Setting = {
  /** An empty folder of its own. */
  scratch: string
  /** Fractions that depend on the seed alone. */
  draw: () => number
  kills: number
  /** How long it may go on striking, and how long the rest of the work may take then. */
  strikeMs: number
  settleMs: number
  /** How many times longer than promised a recovery may take. */
  slack: number
}

/** What a round found: one line for people, and what must not be. */
export type Outcome = { told: string; wrong: string[] }

export type Round = (setting: Setting) => Promise<Outcome>
