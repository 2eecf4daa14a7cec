import { createRandom, type Random } from '#kit/random.ts'
import type { NodeGroup } from '#simulator/scenario/fleet.ts'
import type { Scenario } from '#simulator/scenario/scenario.ts'
import type { SpotTrace } from '#simulator/scenario/spot-trace.ts'

/** What a scenario can do to the world. */
export type World = {
  /** What stands on the node is lost, and nothing can stand there until it was opened as often as closed. */
  close(node: number): void
  open(node: number): void
  setRefusing(group: number, refuses: boolean): void
  setPrice(group: number, priceMicros: number): void
}

/** Something that happens, and what will happen because of it. */
export type Disturbance = {
  atMs: number
  /** It comes again and again: a simulation does not wait for it. */
  endless?: true
  happen(world: World): readonly Disturbance[]
}

/** All that a scenario does, as it begins. Random numbers come from `seed` alone, a stream of its own for each part. */
export function disturbances(scenario: Scenario, seed: number): Disturbance[] {
  return [
    ...scenario.faults.map(({ groups, ratePer1000NodeDays, repairMs }, i) =>
      faults({ nodes: nodesOf(groups), ratePer1000NodeDays, repairMs, random: createRandom(`faults ${i} ${seed}`) }),
    ),
    ...scenario.faultTraces.flatMap(({ groups, trace }) => {
      const nodes = nodesOf(groups)
      const nodeOf = (server: number) => nodes[server % nodes.length] ?? 0
      return trace.events.map(({ atMs, server, down }) =>
        once(atMs, (world) => (down ? world.close(nodeOf(server)) : world.open(nodeOf(server)))),
      )
    }),
    ...scenario.outages.flatMap(outage),
    ...scenario.spot.map(({ group, trace }, i) => spot(group, trace, createRandom(`spot ${i} ${seed}`))),
    ...scenario.prices.map(({ groups, atMs, priceMicros }) =>
      once(atMs, (world) => groups.forEach(({ number }) => world.setPrice(number, priceMicros))),
    ),
  ]
}

const once = (atMs: number, act: (world: World) => void): Disturbance => ({
  atMs,
  happen(world) {
    act(world)
    return []
  },
})

const nodesOf = (groups: readonly NodeGroup[]): number[] =>
  groups.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i))

const dayMs = 86_400_000

/** A time with this mean, exponentially distributed, at least a millisecond. */
const exponentialMs = (random: Random, meanMs: number): number =>
  Math.max(1, Math.round(-Math.log(1 - random.next()) * meanMs))

type Faults = { nodes: number[]; ratePer1000NodeDays: number; repairMs: number; random: Random }

/** Nodes fail independently at a rate, and come back after a time; both exponential. */
function faults({ nodes, ratePer1000NodeDays, repairMs, random }: Faults): Disturbance {
  const meanGapMs = (1000 * dayMs) / (ratePer1000NodeDays * nodes.length)
  const broken = new Set<number>()
  const next = (after: number): Disturbance => ({
    atMs: after + (Number.isFinite(meanGapMs) ? exponentialMs(random, meanGapMs) : Number.MAX_SAFE_INTEGER - after),
    endless: true,
    happen(world) {
      const node = nodes[random.below(nodes.length)] ?? 0
      const more = next(this.atMs)
      if (broken.has(node)) return [more]
      broken.add(node)
      world.close(node)
      const repaired = once(this.atMs + exponentialMs(random, repairMs), (then) => {
        broken.delete(node)
        then.open(node)
      })
      return [more, repaired]
    },
  })
  return next(0)
}

/** A site or provider is gone, or takes nothing new, for a while or for ever. */
function outage({ groups, atMs, forMs, running }: Scenario['outages'][number]): Disturbance[] {
  const nodes = running === 'lost' ? nodesOf(groups) : []
  const begins = once(atMs, (world) => {
    for (const { number } of groups) world.setRefusing(number, true)
    for (const node of nodes) world.close(node)
  })
  if (forMs === null) return [begins]
  const ends = once(atMs + forMs, (world) => {
    for (const node of nodes) world.open(node)
    for (const { number } of groups) world.setRefusing(number, false)
  })
  return [begins, ends]
}

/** Of a group there is as much as the trace says; who has to go is drawn, and who went last comes back first. */
function spot({ first, count }: NodeGroup, { steps }: SpotTrace, random: Random): Disturbance {
  const there = Array.from({ length: count }, (_, i) => first + i)
  const gone: number[] = []
  const step = (index: number): Disturbance => ({
    atMs: steps[index]?.atMs ?? 0,
    happen(world) {
      const wanted = Math.round(count * (steps[index]?.part ?? 1))
      while (there.length > wanted) {
        const at = random.below(there.length)
        const node = there[at] ?? first
        there[at] = there.at(-1) ?? node
        there.pop()
        gone.push(node)
        world.close(node)
      }
      while (there.length < wanted) {
        const node = gone.pop() ?? first
        there.push(node)
        world.open(node)
      }
      return index + 1 < steps.length ? [step(index + 1)] : []
    },
  })
  return step(0)
}
