/** What was seen of the nodes of one offer: how long they were held, and how many were taken away; the old fades. */
export type SpotHistory = { tier: string; shape: string; nodeHours: number; taken: number }

/** Weight of what the provider says itself, in hours of a node. */
const priorHours = 200

/**
 * How often a node is taken away in an hour, in millionths: losses over node-hours, with what the provider says as if
 * it had been seen for `priorHours` (the mean of a gamma posterior). Two digits, so that it does not change with
 * every hour that passes.
 */
export function takenPpm({ nodeHours, taken }: Pick<SpotHistory, 'nodeHours' | 'taken'>, saidPpm = 0): number {
  const ppm = (taken * 1e6 + saidPpm * priorHours) / (Math.max(0, nodeHours) + priorHours)
  return Math.min(1_000_000, Math.round(Number(ppm.toPrecision(2))))
}
