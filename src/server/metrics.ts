import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client'

import type { ApiCounts } from '#api/house.ts'

/** All figures of a control plane. */
export type Metrics = ApiCounts & {
  turn(facts: { loop: string; seconds: number; failed: boolean }): void
  providerCall(facts: { provider: string; call: string; outcome: string; seconds: number }): void
}

const seconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30]

/** Figures in a registry of their own, Node's own (event-loop lag, memory) among them. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
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
  const counted = new Counter({
    name: 'isobar_loop_faults_total',
    help: 'Turns that threw.',
    labelNames: ['loop'],
    registers,
  })
  return {
    request: ({ method, route, status, seconds: took }) => requests.observe({ method, route, status }, took),
    turn({ loop, seconds: took, failed }) {
      turns.observe({ loop, failed: String(failed) }, took)
      if (failed) counted.inc({ loop })
    },
    providerCall: ({ provider, call, outcome, seconds: took }) => calls.observe({ provider, call, outcome }, took),
    text: () => registry.metrics(),
  }
}
