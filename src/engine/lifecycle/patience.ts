/** How long an attempt may take until all its ranks are up, where its site says nothing else. After that another is tried. */
export const startingPatienceMs = 120_000
/**
 * … and at the least so long for each rank: by their defaults the controllers of Kubernetes make 20 pods a second, and its
 * scheduler binds 50 (`--kube-api-qps`).
 */
export const startingPerRankMs = 200

/** How long ranks that are all up may wait for what they need to begin. */
export const beginPatienceMs = 600_000

/** How long an order may wait for a site that does not answer before it goes elsewhere: nothing runs there yet. */
export const orderPatienceMs = 10_000

/**
 * An agent that was not heard for so long is silent. One whose long poll is open is noted as heard every two seconds;
 * the rest is for a control plane or a database that restarts. Silence alone loses nothing.
 */
export const silenceMs = 8_000

/**
 * Who begins to listen, after a restart or an outage, lets agents and sites say for so long what became of ranks meanwhile
 * before a limit of a workload is drawn: it may have ended long before it was reached.
 */
export const toldWithinMs = 30_000

/** A live attempt whose agent was not heard for so long is told of, and looked at this often until it is, or is given up. */
export const unheardMs = 60_000
export const watchMs = 30_000

/**
 * How long an agent may not be heard though its site answers until its nodes are given back, if its site's patience is not
 * longer: `one` where others of its site are heard all the time, `all` where none is. Then it is likely not they.
 */
export const agentPatienceMs = { one: 300_000, all: 900_000 }

/** The failure of one rank waits so long for the news that another one is lost: a little longer than between two listings. */
export const failurePauseMs = 3_000

/** A live workload is looked at so often even if nothing is expected: a net below the nudges. */
export const idleLookMs = 540_000
/** … with all others for which such a look is due about then. */
export const togetherMs = 180_000

/** … and so often while it is on its way down. */
export const closeLookMs = 5_000

/** How long a site is left alone that did not start an order, and when it fails again within ten minutes. */
export const avoidMs = { first: 60_000, again: 300_000, forgetAfter: 600_000 }

/** The sites to leave alone, with `site` added; what is long past is forgotten. */
export function avoiding(avoid: Record<string, number>, site: string, now: number): Record<string, number> {
  const remembered = Object.entries(avoid).filter(([, until]) => until + avoidMs.forgetAfter > now)
  const again = remembered.some(([name]) => name === site)
  return { ...Object.fromEntries(remembered), [site]: now + (again ? avoidMs.again : avoidMs.first) }
}
