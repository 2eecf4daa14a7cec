import { setImmediate as breathe } from 'node:timers/promises'

import { didYouMean } from '#kit/did-you-mean.ts'

import { policies } from './policies/policies.ts'
import { isPolicyFile, readPolicy } from './policies/policy-file.ts'
import { BrokenRule } from './replay/broken-rule.ts'
import { Replay } from './replay/replay.ts'
import type { MakeScheduler } from './replay/scheduler.ts'
import type { Report } from './report/report.ts'
import { reportRun } from './report/run-report.ts'
import { timeText } from './report/value-text.ts'
import { readFleet, type Fleet } from './scenario/fleet.ts'
import { readTerms } from './scenario/projects.ts'
import { eventsOf, quiet, readScenario } from './scenario/scenario.ts'
import { readInput } from './traces/input.ts'
import type { Unit } from './traces/job.ts'
import { mergeTraces, readTrace } from './traces/read-trace.ts'
import type { ServiceRate } from './traces/requests.ts'

export type Simulation = {
  fleet: string
  traces: readonly string[]
  policies: readonly string[]
  scenario?: string | undefined
  /** A file of projects: their quotas, weights and trees. */
  projects?: string | undefined
  seed: number
  rate: ServiceRate
}

/** Where a simulation is. */
export type Progress = { policy: string; over: number; jobs: number; simulatedMs: number }

/** A policy that there is not. */
export class UnknownPolicy extends Error {
  constructor(name: string) {
    const near = didYouMean(name, policies.keys())
    super(
      `there is no policy "${name}"${near ? `; did you mean ${near}?` : `; there are ${[...policies.keys()].join(', ')}`}`,
    )
    this.name = 'UnknownPolicy'
  }
}

/** How long it works before it lets others in: Ctrl-C, and what shows progress. */
const breathMs = 25

/**
 * Reads what it is asked to, replays the traces under each policy, and reports. When the signal comes it reports what
 * came until then. Throws an `InputFault` or `UnknownPolicy` for what people can correct, and a `BrokenRule` where a
 * policy did what it must not.
 */
export async function simulate(
  asked: Simulation,
  { signal, tell }: { signal: AbortSignal; tell: (progress: Progress) => void },
): Promise<Report> {
  const schedulers = await Promise.all(asked.policies.map(schedulerCalled))
  const fleet = readFleet(readInput(asked.fleet))
  const scenario = asked.scenario === undefined ? quiet : readScenario(readInput(asked.scenario), fleet)
  const traces = asked.traces.map((file) => readTrace(readInput(file), asked.rate))
  const jobs = mergeTraces(traces)
  const written = asked.projects === undefined ? [] : readTerms(readInput(asked.projects))
  const projects = [...traces.flatMap((trace) => trace.projects ?? []), ...written]
  const report: Report = {
    version: 1,
    seed: asked.seed,
    fleet: { file: asked.fleet, nodes: fleet.nodes, gpus: amountOf(fleet, 'gpu'), cpus: amountOf(fleet, 'cpu') / 1000 },
    traces: traces.map((trace) => ({ file: trace.file, format: trace.format, jobs: trace.jobs.length })),
    scenario: asked.scenario ?? null,
    projects: asked.projects ?? null,
    events: eventsOf(scenario),
    interrupted: false,
    runs: [],
  }
  for (const [i, scheduler] of schedulers.entries()) {
    if (signal.aborted) break
    const replay = new Replay({ fleet, jobs, scheduler, scenario, projects, seed: asked.seed })
    const policy = asked.policies[i] ?? ''
    await run(replay, signal, () => tell({ policy, over: replay.over, jobs: jobs.length, simulatedMs: replay.now }))
    report.runs.push(reportRun(fleet, replay.outcome()))
  }
  report.interrupted = signal.aborted
  return report
}

async function schedulerCalled(name: string): Promise<MakeScheduler> {
  const scheduler = isPolicyFile(name) ? await readPolicy(name) : policies.get(name)
  if (!scheduler) throw new UnknownPolicy(name)
  return scheduler
}

async function run(replay: Replay, signal: AbortSignal, tell: () => void): Promise<void> {
  let breath = performance.now()
  while (!signal.aborted && stepOf(replay)) {
    if (replay.moments % 64 !== 0 || performance.now() - breath < breathMs) continue
    tell()
    await breathe()
    breath = performance.now()
  }
}

function stepOf(replay: Replay): boolean {
  try {
    return replay.step()
  } catch (error) {
    if (error instanceof BrokenRule) error.message = `${replay.policy}, ${timeText(replay.now)} on: ${error.message}`
    throw error
  }
}

const amountOf = ({ groups }: Fleet, unit: Unit): number =>
  groups.reduce((sum, group) => (group.unit === unit ? sum + group.size * group.count : sum), 0)
