import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

import { z } from 'zod'

import { didYouMean } from '#kit/did-you-mean.ts'
import { formatMoney } from '#kit/money.ts'
import { ProviderName, Tier } from '#model/names.ts'
import { durationMs, hourlyMicros } from '#model/spec/text.ts'
import { type Input, readInput } from '#simulator/traces/input.ts'

import { readDocument, type Read } from './document.ts'
import { type FaultTrace, readFaultTrace } from './fault-trace.ts'
import type { Fleet, NodeGroup } from './fleet.ts'
import { readSpotTrace, type SpotTrace } from './spot-trace.ts'

/** What happens to a fleet while work runs on it. Times are milliseconds since the trace began. */
export type Scenario = {
  /** Of jobs that do not say themselves. */
  checkpointMs: number
  restartMs: number
  faults: { groups: NodeGroup[]; ratePer1000NodeDays: number; repairMs: number }[]
  faultTraces: { groups: NodeGroup[]; trace: FaultTrace }[]
  outages: { groups: NodeGroup[]; atMs: number; forMs: number | null; running: 'lost' | 'kept' }[]
  spot: { group: NodeGroup; trace: SpotTrace }[]
  prices: { groups: NodeGroup[]; atMs: number; priceMicros: number }[]
}

const where = {
  provider: ProviderName.optional(),
  site: z
    .string()
    .max(100)
    .optional()
    .meta({ description: 'Of this site only.', examples: ['aws/us-east-1'] }),
  shape: z
    .string()
    .max(100)
    .optional()
    .meta({ description: 'Nodes of this shape only.', examples: ['h100x8'] }),
  tier: Tier.optional(),
}

const ScenarioFile = z.strictObject({
  checkpoint: durationMs('How often jobs save their work, where the trace does not say.').default(0),
  restart: durationMs('What starting again costs a job, where the trace does not say.').default(0),
  faults: z
    .array(
      z.strictObject({
        ...where,
        rate: z
          .number()
          .min(0)
          .max(1e6)
          .optional()
          .meta({ description: 'Faults per 1,000 nodes and day.', examples: [3.8] }),
        repair: durationMs('Mean time until a node is back.').default(2 * 3_600_000),
        trace: z
          .string()
          .max(1000)
          .optional()
          .meta({ description: 'Recorded faults.', examples: ['faults.json'] }),
      }),
    )
    .max(100)
    .default([]),
  outages: z
    .array(
      z.strictObject({
        ...where,
        at: durationMs('When it begins.'),
        for: durationMs('How long it lasts; for ever without it.').optional(),
        running: z
          .enum(['lost', 'kept'])
          .default('lost')
          .meta({ description: 'Whether what runs there is lost, or goes on while nothing new starts.' }),
      }),
    )
    .max(1000)
    .default([]),
  spot: z
    .array(
      z.strictObject({
        ...where,
        trace: z
          .string()
          .max(1000)
          .meta({ examples: ['us-east-1a.json'] }),
      }),
    )
    .max(1000)
    .default([]),
  prices: z
    .array(
      z.strictObject({ ...where, at: durationMs('From when on.'), price: hourlyMicros('Of one node for an hour.') }),
    )
    .max(10_000)
    .default([]),
})

type Where = {
  provider?: string | undefined
  site?: string | undefined
  shape?: string | undefined
  tier?: string | undefined
}

/** Nothing happens. */
export const quiet: Scenario = {
  checkpointMs: 0,
  restartMs: 0,
  faults: [],
  faultTraces: [],
  outages: [],
  spot: [],
  prices: [],
}

const sitesOf = (groups: readonly NodeGroup[]): string => [...new Set(groups.map(({ site }) => site))].join(', ')

/** What of a scenario comes at a time that is known, in words. */
export function eventsOf({ outages, prices }: Scenario): { fromMs: number; toMs: number | null; text: string }[] {
  return [
    ...outages.map(({ groups, atMs, forMs, running }) => ({
      fromMs: atMs,
      toMs: forMs === null ? null : atMs + forMs,
      text: `${sitesOf(groups)} ${running === 'lost' ? 'is lost' : 'takes nothing new'}`,
    })),
    ...prices.map(({ groups, atMs, priceMicros }) => ({
      fromMs: atMs,
      toMs: atMs,
      text: `${sitesOf(groups)} costs ${formatMoney(BigInt(priceMicros))} an hour`,
    })),
  ]
}

/** Reads a scenario for a fleet; paths in it are relative to its own place. */
export function readScenario(input: Input, fleet: Fleet): Scenario {
  const read = readDocument(input, ScenarioFile, 'a scenario')
  const { value } = read
  const open = (at: PropertyKey[], path: string): Input => {
    const file = resolve(dirname(input.file), path)
    if (existsSync(file)) return readInput(file)
    throw read.wrong([...at, 'trace'], `there is no file ${file}`, 'write its path as seen from the scenario')
  }
  const groupsAt = (path: PropertyKey[], of: Where) => matching(read, fleet, { path, of })
  const faults = value.faults.map((fault, i) => ({ ...fault, groups: groupsAt(['faults', i], fault), at: i }))
  for (const { at, rate, trace } of faults)
    if ((rate === undefined) === (trace === undefined))
      throw read.wrong(
        ['faults', at],
        'faults come at a rate or from a trace',
        'write either rate: 3.8 or trace: faults.json',
      )
  return {
    checkpointMs: value.checkpoint,
    restartMs: value.restart,
    faults: faults.flatMap(({ groups, rate, repair }) =>
      rate === undefined ? [] : [{ groups, ratePer1000NodeDays: rate, repairMs: repair }],
    ),
    faultTraces: faults.flatMap(({ groups, trace, at }) =>
      trace === undefined ? [] : [{ groups, trace: readFaultTrace(open(['faults', at], trace)) }],
    ),
    outages: value.outages.map((outage, i) => ({
      groups: groupsAt(['outages', i], outage),
      atMs: outage.at,
      forMs: outage.for ?? null,
      running: outage.running,
    })),
    spot: value.spot.flatMap((spot, i) => {
      const trace = readSpotTrace(open(['spot', i], spot.trace))
      return groupsAt(['spot', i], spot).map((group) => ({ group, trace }))
    }),
    prices: value.prices.map((step, i) => ({
      groups: groupsAt(['prices', i], step),
      atMs: step.at,
      priceMicros: step.price,
    })),
  }
}

/** The groups of nodes that something is about; none is a mistake. */
function matching(read: Read<unknown>, fleet: Fleet, { path, of }: { path: PropertyKey[]; of: Where }): NodeGroup[] {
  const found = fleet.groups.filter(
    (group) =>
      (of.provider ?? group.provider) === group.provider &&
      (of.site ?? group.site) === group.site &&
      (of.shape ?? group.shape) === group.shape &&
      (of.tier ?? group.tier) === group.tier,
  )
  if (found.length > 0) return found
  for (const key of ['site', 'shape'] as const) {
    const [named, known] = [of[key], [...new Set(fleet.groups.map((group) => group[key]))]]
    if (named === undefined || known.includes(named)) continue
    const near = known.find((one) => one.endsWith(`/${named}`)) ?? didYouMean(named, known)
    const fix = near ? `did you mean ${near}?` : `use one of ${known.slice(0, 6).join(', ')}`
    throw read.wrong([...path, key], `the fleet has no ${key} "${named}"`, fix)
  }
  const all = fleet.groups.map(({ site, shape, tier }) => `${site} ${shape} ${tier}`)
  const has = [...new Set(all)].slice(0, 6).join('; ')
  throw read.wrong(path, 'the fleet has no such nodes', `it has ${has}`)
}
