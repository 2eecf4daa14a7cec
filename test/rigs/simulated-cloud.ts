import type { CredentialedOrder } from '#model/order.ts'
import type { Sighting } from '#providers/provider.ts'
import type { GivenFaults } from '#providers/simulated/faults.ts'
import type { Part } from '#providers/simulated/gang.ts'
import type { SimulatedOptions } from '#providers/simulated/options.ts'
import { createSimulated } from '#providers/simulated/simulated.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'

// For tests of simulated providers: sites, orders, and a cloud on a clock that stands still.

export const shape = {
  name: 'sim-8',
  accelerator: 'H200',
  accelerators: 8,
  acceleratorMemoryMiB: 144_384,
  cpuMilli: 192_000,
  memoryMiB: 2_097_152,
  diskMiB: 4_194_304,
}

export const aPlace = (
  name: string,
  nodes: number,
  tier: 'spot' | 'on-demand' = 'on-demand',
): SimulatedOptions['sites'][number] => ({
  name,
  jurisdictions: ['DE', 'EU'],
  patienceMs: 60_000,
  pools: [{ tier, shape, priceMicros: 3_999_999, nodes }],
})

type Changes = Partial<CredentialedOrder> & { nodes?: number }

export const anOrderOf = (token: string, { nodes = 1, ...changes }: Changes = {}): CredentialedOrder => ({
  token,
  workload: `w-${token}`,
  attempt: 1,
  site: 'west',
  tier: 'on-demand',
  graceMs: 1_000,
  ranks: Array.from({ length: nodes }, (_, rank) => ({ rank, shape })),
  controlPlanes: ['http://127.0.0.1:1'],
  credential: `${token}.secret`,
  ...changes,
})

export const forever: Part = { prints: '', runMs: Infinity, exitCode: 0, stubborn: false }

/** How a call ended: `ok`, or the kind of its fault. */
const kindOf = (answer: { ok: true } | { ok: false; fault: { kind: string } }) => (answer.ok ? 'ok' : answer.fault.kind)

/** A cloud with one site `west` of eight nodes, or those given, at time 0; ranks run for a minute. */
export function aCloud(faults: GivenFaults = {}, { seed = 1, sites = [aPlace('west', 8)] } = {}) {
  const clock = createFakeClock(0)
  const cloud = createSimulated({ seed, clock, sites, faults })
  const provider = cloud.open()
  const { signal } = new AbortController()
  return {
    clock,
    cloud,
    provider,
    signal,
    /** How a launch ends: `ok`, or the kind of its fault. */
    launch: async (token: string, changes: Changes = {}) =>
      kindOf(await provider.launch(anOrderOf(token, changes), signal)),
    async retire(token: string, graceMs = 0) {
      const answer = await provider.retire({ site: 'west', token }, graceMs, signal)
      return answer.ok ? answer.value : answer.fault.kind
    },
    async get(token: string): Promise<Sighting | null> {
      const answer = await provider.get({ site: 'west', token }, signal)
      if (!answer.ok) throw new Error(answer.fault.detail)
      return answer.value
    },
    /** Tokens of what is listed, or the kind of the fault. */
    async list(): Promise<string[] | string> {
      const answer = await provider.list('west', signal)
      return answer.ok ? answer.value.map(({ token }) => token) : answer.fault.kind
    },
    async offer() {
      const answer = await provider.offers('west', signal)
      const [first] = answer.ok ? answer.value : []
      if (!first) throw new Error('no offer')
      return first
    },
    /** What befell, without where and when. */
    befell: () => cloud.befell().map(({ call, token, fault }) => [call, token, fault].join(' ')),
  }
}

/** The states of the ranks that are shown. */
export const statesOf = (seen: Sighting | null): string[] =>
  seen?.ranks.map(({ rank, state }) => `${rank} ${state}`) ?? []
