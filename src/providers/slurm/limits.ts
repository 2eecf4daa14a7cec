import { fail, type Outcome, succeed } from '#model/fault.ts'

import { boundsFor, type Standing, standingOf } from './accounting.ts'
import type { SlurmSite } from './config.ts'
import type { BatchJob, Controller } from './controller.ts'

/** What limits jobs of a site; null where nothing does, or nothing is known of it. */
export type AskLimits = (signal: AbortSignal) => Promise<Standing | null>

/** Limits are changed by people, and the database behind them is nothing that one asks all the time. */
const freshMs = 300_000
/** After no answer. */
const retryMs = 30_000
/** A database that hangs must not keep the site from being looked at. */
const mostMs = 5_000

/** So long accounting is waited for. */
export const patience = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(mostMs)])

/**
 * Asks accounting now and then. A database that does not answer keeps nobody from working: what was known holds, and what
 * is not known limits nothing, since Slurm itself does.
 */
export function createLimits(site: SlurmSite, controller: Pick<Controller, 'accounting'>): AskLimits {
  let known: Standing | null = null
  let askAt = 0
  return async (signal) => {
    if (performance.now() < askAt) return known
    const told = await controller.accounting(patience(signal))
    askAt = performance.now() + (told.ok ? freshMs : retryMs)
    if (!told.ok) return known
    const standing = told.value === null ? null : standingOf(told.value, site)
    return (known = standing === null || 'no' in standing ? null : standing)
  }
}

/**
 * Whether a job may ever run by these limits: Slurm takes one that may not, and lets it wait for ever. What is counted is
 * what Slurm counts: as much on each node as on the fullest.
 */
export function withinLimits(
  { nodes, cpusPerNode, memoryMiB, gpus }: BatchJob,
  standing: Standing | null,
): Outcome<null> {
  if (standing === null) return succeed(null)
  const asked = {
    nodes,
    accelerators: nodes * (gpus?.count ?? 0),
    cpuMilli: nodes * cpusPerNode * 1000,
    memoryMiB: nodes * memoryMiB,
  }
  const bound = boundsFor(standing, gpus?.type?.toUpperCase()).find(({ of, most }) => asked[of] > most)
  if (!bound) return succeed(null)
  const inUnits = (n: number) => (bound.of === 'cpuMilli' ? n / 1000 : n)
  const unit = { nodes: 'nodes', accelerators: 'accelerators', cpuMilli: 'CPUs', memoryMiB: 'MiB of memory' }[bound.of]
  const detail = `${bound.by} allows ${inUnits(bound.most)} ${unit}, and the order needs ${inUnits(asked[bound.of])}`
  return fail('quota', 'elsewhere', detail)
}
