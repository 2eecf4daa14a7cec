import type { NodeGroup } from '#simulator/scenario/fleet.ts'
import type { Unit } from '#simulator/traces/job.ts'

import type { Floor } from './floor.ts'
import { createSeries } from './series.ts'

/** Sums over time, in units (accelerators, or thousandths of a core) × milliseconds. */
export type Usage = { usedMs: number; usableMs: number; splinteredMs: number; totalMs: number }

export type Measured = {
  usage: Record<Unit, Usage>
  /** What each group of nodes has cost, in micro-dollars: all its nodes where they are paid anyway, else the busy ones. */
  costMicros: bigint[]
  /** Prices of each group over time: what a node costs for an hour from a moment on. */
  prices: { group: number; fromMs: number; priceMicros: number }[]
  /** Parts of the units used and usable, and how many wait, over time. */
  series: { binMs: number; rows: number[][] }
}

export type Meter = {
  /** Time goes on to `now`, with all as it was. */
  advance(now: number, waiting: number): void
  /** A price changes now. */
  reprice(group: number, priceMicros: number): void
  result(): Measured
}

/** The unit by which a simulation is measured: accelerators, if there are any and anybody asks for them. */
export const mainUnit = (groups: readonly NodeGroup[], jobs: readonly { unit: Unit }[]): Unit =>
  groups.some(({ unit }) => unit === 'gpu') && jobs.some(({ unit }) => unit === 'gpu') ? 'gpu' : 'cpu'

const paidAnyway = ({ tier }: NodeGroup): boolean => tier === 'committed' || tier === 'reserved'
const msPerHour = 3_600_000n
/** Node-milliseconds are put aside before they are no longer exact. */
const settleAt = 2 ** 52

export function createMeter(floor: Floor, main: Unit): Meter {
  const { groups } = floor.fleet
  const totals = { gpu: 0, cpu: 0 }
  for (const { unit, size, count } of groups) totals[unit] += size * count
  const usage = { gpu: noUsage(), cpu: noUsage() }
  const nodeMs = new Float64Array(groups.length)
  const owed = groups.map(() => 0n) // micro-dollars × milliseconds per hour
  const prices = groups.map(({ number, priceMicros }) => ({ group: number, fromMs: 0, priceMicros }))
  const series = createSeries(3)
  let at = 0

  const settle = (group: number): void => {
    owed[group] = (owed[group] ?? 0n) + BigInt(floor.priceMicros(group)) * BigInt(nodeMs[group] ?? 0)
    nodeMs[group] = 0
  }
  return {
    advance(now, waiting) {
      const ms = now - at
      if (ms <= 0) return
      for (const unit of ['gpu', 'cpu'] as const) {
        const { used, usable, splintered, idleMilli } = floor.tallies[unit]
        const idle = idleMilli / 1000
        const sums = usage[unit]
        sums.usedMs += (used - idle) * ms
        sums.usableMs += usable * ms
        sums.splinteredMs += (splintered + idle) * ms
        sums.totalMs += totals[unit] * ms
      }
      for (const group of groups) {
        const { number } = group
        nodeMs[number] = (nodeMs[number] ?? 0) + (paidAnyway(group) ? group.count : floor.busy(number)) * ms
        if ((nodeMs[number] ?? 0) > settleAt) settle(number)
      }
      const all = Math.max(1, totals[main])
      const used = floor.tallies[main].used - floor.tallies[main].idleMilli / 1000
      series.add(at, now, [used / all, floor.tallies[main].usable / all, waiting])
      at = now
    },
    reprice(group, priceMicros) {
      settle(group)
      prices.push({ group, fromMs: at, priceMicros })
    },
    result() {
      for (const { number } of groups) settle(number)
      return {
        usage,
        costMicros: owed.map((one) => one / msPerHour),
        prices,
        series: { binMs: series.binMs, rows: series.rows() },
      }
    },
  }
}

const noUsage = (): Usage => ({ usedMs: 0, usableMs: 0, splinteredMs: 0, totalMs: 0 })
