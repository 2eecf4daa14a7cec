import type { Clock } from '#kit/clock.ts'
import { drawOf } from '#kit/random.ts'
import type { Outcome } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Provider, Sighting } from '#providers/provider.ts'
import { type Gang, type Part, sightingOf } from '#providers/simulated/gang.ts'
import { type Agent, type AgentDoes, type Blow, startAgent } from './agent.ts'
import type { Clouds } from './clouds.ts'
import type { Network } from './network.ts'
import { type Behaviour, behaviourOf } from './process.ts'

type Options = {
  seed: string
  cloud: Clouds
  clock: Clock
  network: Network
  /** The sites where our agents run the ranks; at all others the provider does. */
  agentSites: ReadonlySet<string>
  /** What the ranks of a workload do. */
  environmentOf(workload: string): Promise<Record<string, string>>
  /** How far the clock of a node may be off. */
  skewMs: number
  /** What share of our agents that come up before then never reach anybody. */
  cutOff: { share: number; until: number }
}

/** What runs on the nodes of a simulated cloud: scripted ranks, or our agents. */
export type Ranks = {
  /** An adapter of each cloud, for a process whose clock this is; its orders bring their ranks with them. */
  open(house: Pick<Clock, 'now'>): Provider[]
  /** What our agents do for an order, whoever hears of it; null where none of them came up for it. */
  agentsOf(token: string): AgentDoes[] | null
  /** Some agents of a site are befallen alone; their nodes live on. */
  strike(blow: Strike): void
}

/** Which agents are befallen, and for how long those hang that do: a share of those of a site, or of some leases there. */
export type Strike = { site: string; how: Blow; share?: number; forMs?: number; tokens?: string[] }

export function createRanks(options: Options): Ranks {
  const { cloud } = options
  const agents = new Map<string, Agent[]>()
  const past = new Map<string, Agent[]>()
  return {
    agentsOf: (token) => (agents.get(token) ?? past.get(token))?.map((agent) => agent.does()) ?? null,
    strike({ site, how, share = 1, forMs = Infinity, tokens }) {
      for (const { token } of cloud.gangs(site).filter((one) => tokens?.includes(one.token) ?? true))
        for (const agent of agents.get(token) ?? [])
          if (drawOf(options.seed, token, agent.rank, how, options.clock.now()) < share) agent.strike(how, forMs)
    },
    open: (house) => cloud.open().map((adapter) => withRanks(adapter, { ...options, agents, past, house })),
  }
}

type Around = Options & { agents: Map<string, Agent[]>; past: Map<string, Agent[]>; house: Pick<Clock, 'now'> }

/** The same adapter, on whose nodes ranks or our agents come up. */
function withRanks(adapter: Provider, around: Around): Provider {
  const { cloud, agentSites, agents, past } = around
  return {
    ...adapter,
    async launch(order, signal) {
      const byAgents = agentSites.has(order.site)
      const permitUntil = around.clock.now() + (order.permit?.until ?? 0) - around.house.now()
      const behaviour = behaviourOf(await around.environmentOf(order.workload))
      cloud.script(order.token, partsOf(behaviour, byAgents))
      const answer = await adapter.launch(order, signal)
      if (byAgents) bringUp(order, permitUntil, around)
      return answer
    },
    get: async (handle, signal) => {
      const seen = await adapter.get(handle, signal)
      return seen.ok && seen.value ? { ok: true, value: withAgents(seen.value, agents) } : seen
    },
    list: async (site, signal) => shownBy(await adapter.list(site, signal), agents),
    async retire(handle, graceMs, signal) {
      const answer = await adapter.retire(handle, graceMs, signal)
      const gang = gangOf(cloud, handle.site, handle.token)
      const here = agents.get(handle.token)
      if (gang?.stop) for (const agent of here ?? []) agent.terminate(graceMs)
      if (!gang && here) {
        past.set(handle.token, here)
        agents.delete(handle.token)
      }
      return answer
    },
  }
}

/** One whom our agent runs ends when the agent says so. */
const partsOf = (behaviour: Behaviour, byAgents: boolean): Part[] => [
  { prints: 'begun\n', runMs: byAgents ? Infinity : behaviour.runMs, exitCode: behaviour.exitCode, stubborn: false },
]

/** Whatever became of the answer: where the gang is, its agents come up. A permit of the order holds until then. */
function bringUp(order: CredentialedOrder, permitUntil: number, { agents, ...options }: Around): void {
  const { token, site, ranks, credential, controlPlanes } = order
  const { cloud, clock, network, seed, skewMs, cutOff } = options
  const gang = gangOf(cloud, site, token)
  if (!gang || agents.has(token)) return
  const all: Agent[] = []
  agents.set(token, all)
  const changed = () => cloud.stir(site)
  void clock.sleep(gang.startAt - clock.now()).then(() => {
    const permit = order.permit && clock.now() < permitUntil ? order.permit.go : null
    for (const { rank } of ranks) {
      const lives = () => isUp(gangOf(cloud, site, token), rank, clock.now())
      if (!lives()) continue
      const aheadMs = Math.round((drawOf(seed, token, rank, 'skew') * 2 - 1) * skewMs)
      const own: Clock = { ...clock, now: () => clock.now() + aheadMs }
      const isCutOff = clock.now() < cutOff.until && drawOf(seed, token, rank, 'cut off') < cutOff.share
      const place = { rank, token, site, lives, changed, isCutOff }
      const go = permit && { ...permit, peers: [`${token}-${rank}`] }
      all.push(startAgent({ ...place, credential, controlPlanes, clock: own, network, permit: go }))
    }
    changed()
  })
}

const gangOf = (cloud: Pick<Clouds, 'gangs'>, site: string, token: string): Gang | undefined =>
  cloud.gangs(site).find((gang) => gang.token === token)

/** Whether the node of a rank is there in truth, whatever its provider shows. */
function isUp(gang: Gang | undefined, rank: number, now: number): boolean {
  const truth = gang && sightingOf({ ...gang, shownFrom: 0 }, now)
  return truth?.ranks.find((one) => one.rank === rank)?.state === 'running'
}

const shownBy = (listed: Outcome<Sighting[]>, agents: ReadonlyMap<string, Agent[]>): Outcome<Sighting[]> =>
  listed.ok ? { ok: true, value: listed.value.map((one) => withAgents(one, agents)) } : listed

/** A node that runs shows what the folder of its agent says. */
function withAgents(seen: Sighting, agents: ReadonlyMap<string, Agent[]>): Sighting {
  const here = agents.get(seen.token)
  if (!here) return seen
  return {
    ...seen,
    ranks: seen.ranks.map((one) => {
      const agent = here.find(({ rank }) => rank === one.rank)
      return one.state === 'running' && agent ? { ...one, ...agent.sighting() } : one
    }),
  }
}
