/** How much there is in a drawn story. */
export type Measure = {
  workloads: [number, number]
  lastsMs: [number, number]
  /** All are submitted within this share of it. */
  submits: number
  /** How long a trouble of a site lasts, at the most. */
  troubleMs: number
  /** How much more than in a small story projects may use and spend. */
  means: number
  planes: [number, number]
  sites: [number, number]
  /** At each site. */
  nodes: [number, number]
  faults: [number, number]
  /** What share of the sites behaves as a real provider is known to: that takes long. */
  profiles: number
  /** How often what there is changes: prices, nodes, spot, what people may use, and what is forgotten; 0 for never. */
  unrest: number
  /** How long work runs. */
  runMs: readonly [number, ...number[]]
  /** What share of the sites tells of changes. */
  tells: number
  /** In what share of the stories work may be moved to free a domain. */
  moves: number
  /** In what share of the stories the nodes of all sites have names, accelerators and racks. */
  named: number
  /** In what share of those labels and taints are on nodes, and asked for. */
  marked: number
  /** In what share of those some sites have nodes of two shapes, and gangs that need both. */
  shapes: number
  /** In what share of the stories with several sites these are of two providers. */
  providers: number
  /** At which share of the sites orders stand in line, or ranks change places. */
  lines: number
  /** In what share of the stories a site is declared no more for a while. */
  undeclared: number
  /** In what share of the stories jobs end near a limit of time while their site is out of reach. */
  limits: number
  /** In what share of the stories people follow events. */
  readers: number
  /** In what share of the stories sites are in several jurisdictions, and it is said where work may be. */
  places: number
  /** At which share of the sites our agents run the ranks. */
  agents: number
}

const [minuteMs, hourMs, dayMs] = [60_000, 3_600_000, 86_400_000]

/** A hundred workloads that run for hours, as a fleet of some hundred nodes has them, and a day of its life. */
const fleet = {
  workloads: [100, 100],
  lastsMs: [24 * hourMs, 24 * hourMs],
  submits: 0.04,
  troubleMs: hourMs,
  means: 20,
  planes: [1, 1],
  sites: [2, 2],
  nodes: [100, 140],
  faults: [20, 40],
  profiles: 0,
  unrest: 0,
  runMs: [12 * hourMs, 24 * hourMs],
  tells: 1,
  moves: 0,
  named: 0,
  marked: 0,
  shapes: 0,
  providers: 0,
  lines: 0,
  undeclared: 0,
  limits: 0,
  readers: 0,
  places: 0,
  agents: 0,
} as const satisfies Measure

export const measures = {
  /** Much happens at once, and is over soon. */
  story: {
    workloads: [1, 7],
    lastsMs: [2 * minuteMs, 15 * minuteMs],
    submits: 0.8,
    troubleMs: 15 * minuteMs,
    means: 1,
    planes: [1, 3],
    sites: [1, 3],
    nodes: [1, 10],
    faults: [0, 24],
    profiles: 0.04,
    unrest: 1,
    runMs: [500, 5_000, 30_000, 2 * minuteMs, 8 * minuteMs],
    tells: 0.5,
    moves: 0.5,
    named: 0.4,
    marked: 0.5,
    shapes: 0.4,
    providers: 0.4,
    lines: 0.15,
    undeclared: 0.1,
    limits: 0.15,
    readers: 0.2,
    places: 0.3,
    agents: 0.5,
  },
  fleet,
  /** As many, which run for days, in a week with as many faults. */
  week: {
    ...fleet,
    lastsMs: [7 * dayMs, 7 * dayMs],
    submits: 0.006,
    runMs: [3.5 * dayMs, 7 * dayMs],
  },
} as const satisfies Record<string, Measure>
