/** Spot capacity of one shape at a site (`provider/name`) that we held, and whether it was taken away; or did not get. */
export type SpotRun = {
  site: string
  shape: string
  from: number
  /** Equal to `from` where we were refused it; null while it is held. */
  until: number | null
  taken: boolean
}

/** An attempt that ran: for how long, and how long it took from when its site took the order until it ran. */
export type Try = { workload: string; ranMs: number; startMs: number }

/** What we have seen of spot markets, and what those have done that are planned on them. */
export type SpotFacts = { runs: readonly SpotRun[]; tries: readonly Try[] }
