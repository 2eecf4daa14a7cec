import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

import type { ApiCounts } from '#api/house.ts'
import type { Figures } from '#store/queries/figures.ts'

/** All figures of a control plane. */
export type Metrics = ApiCounts & {
  turn(facts: { loop: string; seconds: number; failed: boolean }): void
  /** A round of placement was held against its checker. */
  checked(violations: number): void
  providerCall(facts: { provider: string; call: string; outcome: string; seconds: number }): void
}

const seconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30]

/** What the house's own figures come from: asked once for each look at them. */
export type Source = { figures(): Promise<Figures>; now(): number }

/** Figures in a registry of their own, Node's own (event-loop lag, memory) among them. */
export function createMetrics(source: Source): Metrics {
  const registry = new Registry()
  const registers = [registry]
  // Its default looks at the event loop every 10 ms, which is most of what an idle control plane would do.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 })
  const requests = new Histogram({
    name: 'isobar_http_request_seconds',
    help: 'Duration of requests by method, route and status.',
    labelNames: ['method', 'route', 'status'],
    buckets: seconds,
    registers,
  })
  const turns = new Histogram({
    name: 'isobar_loop_turn_seconds',
    help: 'Duration of turns of the loops.',
    labelNames: ['loop', 'failed'],
    buckets: seconds,
    registers,
  })
  const calls = new Histogram({
    name: 'isobar_provider_call_seconds',
    help: 'Duration of calls to providers by their outcome.',
    labelNames: ['provider', 'call', 'outcome'],
    buckets: seconds,
    registers,
  })
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers })
  const counted = counter('isobar_loop_faults_total', 'Turns that threw.', ['loop'])
  const rounds = counter('isobar_placement_checked_total', 'Rounds of placement held against the checker.', [])
  const wrong = counter('isobar_placement_violations_total', 'What the checker found wrong in them.', [])
  return {
    request: ({ method, route, status, seconds: took }) => requests.observe({ method, route, status }, took),
    turn({ loop, seconds: took, failed }) {
      turns.observe({ loop, failed: String(failed) }, took)
      if (failed) counted.inc({ loop })
    },
    checked(violations) {
      rounds.inc()
      wrong.inc(violations)
    },
    providerCall: ({ provider, call, outcome, seconds: took }) => calls.observe({ provider, call, outcome }, took),
    async text() {
      // While the database is away, how it goes here is told all the same.
      const figures = await source.figures().catch(() => null)
      const own = figures ? await houseText(figures, source.now()) : ''
      return `${await registry.metrics()}\n${own}`
    },
  }
}

/** The house's own figures; labels are bounded by what sites.yaml declares. All control planes of a database tell the same. */
async function houseText({ workloads, leases, sites, oldestQueued }: Figures, now: number): Promise<string> {
  const registry = new Registry()
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] })
  const counts = gauge('isobar_workloads', 'Workloads that have not ended, by kind and state.', ['kind', 'state'])
  for (const { kind, state, count } of workloads) counts.set({ kind, state }, count)
  const wait = gauge('isobar_oldest_queued_seconds', 'Age of the oldest workload in the queue.', [])
  wait.set(oldestQueued === null ? 0 : Math.max(0, now - oldestQueued) / 1000)
  const held = gauge('isobar_leases', 'Live leases by site, tier and state.', ['site', 'tier', 'state'])
  const price = gauge('isobar_price_dollars_per_hour', 'What live leases cost.', ['site', 'tier', 'state'])
  for (const { site, tier, state, count, priceMicros } of leases) {
    held.set({ site, tier, state }, count)
    price.set({ site, tier, state }, priceMicros / 1_000_000)
  }
  const reach = gauge('isobar_site_reachable', 'Whether a site answers.', ['site'])
  for (const { site, reach: how } of sites) reach.set({ site }, how === 'reachable' ? 1 : 0)
  return registry.metrics()
}
