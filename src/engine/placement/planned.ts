import type { DeadlineChoice } from '#model/plan.ts'

import type { Look } from './look.ts'

/** How a job with a deadline is placed in a round. */
export type Planned = {
  /** Decides for now: of the offers that could be tried those that are, in order. */
  choose: (fits: readonly Look[]) => readonly Look[]
  /** What it decided last. */
  choice: () => DeadlineChoice | undefined
  /** Whether that keeps it from an offer. */
  isAgainst: (look: Look) => boolean
}
