import type { Measured } from '#simulator/replay/meter.ts'
import type { Fleet, NodeGroup } from '#simulator/scenario/fleet.ts'
import type { Job, Unit } from '#simulator/traces/job.ts'

/**
 * No schedule ends earlier: not before any job that starts as it arrives, and not before the work that arrives from any
 * moment on, if all of the fleet did nothing else from there. Milliseconds since the trace began.
 */
export function workBoundMs(fleet: Fleet, jobs: readonly Job[]): number {
  const capacity: Record<Unit, number> = { gpu: 0, cpu: 0 }
  for (const { unit, size, count } of fleet.groups) capacity[unit] += size * count
  const work: Record<Unit, number> = { gpu: 0, cpu: 0 }
  let bound = 0
  for (const { unit, amount, arrivalMs, durationMs } of jobs.toReversed()) {
    work[unit] += amount * durationMs
    const filled = capacity[unit] > 0 ? Math.ceil(work[unit] / capacity[unit]) : 0
    bound = Math.max(bound, arrivalMs + durationMs, arrivalMs + filled)
  }
  return bound
}

/** Capacity at one price, for as long as that price lasted. */
type Part = { unit: Unit; amountMs: number; micros: number }

const msPerHour = 3_600_000

/**
 * The least that the work could have cost: the optimum of the linear program that puts it on the cheapest capacity there
 * was at any time, in any pieces and with no regard to when it came. What is paid anyway is paid.
 */
export function costBoundMicros(options: {
  fleet: Fleet
  measured: Measured
  endMs: number
  /** Work that was done, in units × milliseconds. */
  work: Record<Unit, number>
}): bigint {
  const { fleet, measured, endMs } = options
  const left = { ...options.work }
  let micros = 0
  for (const part of partsOf(fleet, measured, endMs).sort((a, b) => a.micros - b.micros)) {
    const taken = Math.min(left[part.unit], part.amountMs)
    left[part.unit] -= taken
    micros += (taken / msPerHour) * part.micros
  }
  const paid = fleet.groups.reduce(
    (sum, { number, tier }) => (isPaid(tier) ? sum + (measured.costMicros[number] ?? 0n) : sum),
    0n,
  )
  return paid + BigInt(Math.floor(micros))
}

const isPaid = (tier: NodeGroup['tier']): boolean => tier === 'committed' || tier === 'reserved'

function partsOf({ groups }: Fleet, { prices }: Measured, endMs: number): Part[] {
  return groups.flatMap(({ number, unit, size, count, tier }) => {
    const steps = prices.filter(({ group }) => group === number)
    return steps.map(({ fromMs, priceMicros }, i) => {
      const untilMs = steps[i + 1]?.fromMs ?? endMs
      return {
        unit,
        amountMs: size * count * Math.max(0, untilMs - fromMs),
        micros: isPaid(tier) ? 0 : priceMicros / size,
      }
    })
  })
}
