import { ranksByShape } from '#model/lease.ts'
import type { LiveLease } from '#model/live-lease.ts'

type End = { name: string; at: number }

/** What is asked of leases when somebody is refused, by where they are and whose; each found out when it is first asked. */
export type Holders = {
  /** Who ends first of those at a site, or of a project, as far as that is known. */
  firstAt: (site: string) => End | null
  firstWithin: (project: string) => End | null
  /** The youngest of a project, at a site or anywhere. */
  youngest: (project: string, site?: string) => readonly LiveLease[]
  /** The first to end of those at a site that hold nodes of one of the shapes and of whom `holds` is true. */
  firstOf: (site: string, shapes: readonly string[], holds: (lease: LiveLease) => boolean) => End | null
}

/** So many are asked what they hold; whoever ends after all of them is not what anybody waits for first. */
const mostAsked = 256

/** So many of the youngest are kept: nobody is told to stop himself, or what would not help. */
const mostYoungest = 8

/** `leases` stand in the order of their ids, the oldest first. */
export function holdersOf(leases: readonly LiveLease[]): Holders {
  const [bySite, byProject] = [once(() => firstsBy(leases, siteOf)), once(() => firstsBy(leases, projectOf))]
  const ending = once(() => endingBy(leases))
  const sorted = new Set<LiveLease[]>()
  const youngest = new Map<string, LiveLease[]>()
  return {
    firstAt: (site) => bySite().get(site) ?? null,
    firstWithin: (project) => byProject().get(project) ?? null,
    youngest(project, site) {
      const key = `${project} ${site ?? ''}`
      const found = youngest.get(key) ?? youngestOf(leases, project, site)
      youngest.set(key, found)
      return found
    },
    firstOf(site, shapes, holds) {
      // Who holds what is of no shape holds what may be of any.
      const firsts = [...shapes, ''].map((shape) => {
        const some = ending().get(`${site} ${shape}`) ?? []
        if (!sorted.has(some)) some.sort(byEnd)
        sorted.add(some)
        return some.slice(0, mostAsked).find(holds)
      })
      const [first] = firsts.filter((lease) => lease !== undefined).sort(byEnd)
      return first ? endOf(first) : null
    },
  }
}

function once<T>(find: () => T): () => T {
  let found: { it: T } | null = null
  return () => (found ??= { it: find() }).it
}

const siteOf = ({ provider, site }: LiveLease): string => `${provider}/${site}`
const projectOf = ({ project }: LiveLease): string => project

function firstsBy(leases: readonly LiveLease[], keyOf: (lease: LiveLease) => string): Map<string, End> {
  const firsts = new Map<string, End>()
  for (const lease of leases) {
    if (typeof lease.endsAt !== 'number') continue
    const [key, one] = [keyOf(lease), endOf(lease)]
    const first = firsts.get(key)
    if (!first || one.at < first.at || (one.at === first.at && one.name < first.name)) firsts.set(key, one)
  }
  return firsts
}

/** Those whose end is known, by site and shape. */
function endingBy(leases: readonly LiveLease[]): Map<string, LiveLease[]> {
  const ending = new Map<string, LiveLease[]>()
  for (const lease of leases) {
    if (typeof lease.endsAt !== 'number') continue
    for (const shape of ranksByShape({ shape: lease.shape ?? '', ranks: lease.ranks }).keys()) {
      const key = `${siteOf(lease)} ${shape}`
      const some = ending.get(key) ?? []
      ending.set(key, some)
      some.push(lease)
    }
  }
  return ending
}

/** One of each workload. */
function youngestOf(leases: readonly LiveLease[], project: string, site?: string): LiveLease[] {
  const found = new Map<string, LiveLease>()
  for (let i = leases.length - 1; i >= 0 && found.size < mostYoungest; i--) {
    const lease = leases[i]
    if (!lease || lease.name === undefined || lease.project !== project || found.has(lease.workload)) continue
    if (site === undefined || siteOf(lease) === site) found.set(lease.workload, lease)
  }
  return [...found.values()]
}

const endOf = ({ workload, name, endsAt, endsName }: LiveLease): End => ({
  name: endsName ?? name ?? workload,
  at: endsAt ?? Infinity,
})

function byEnd(one: LiveLease, other: LiveLease): number {
  const sooner = (one.endsAt ?? Infinity) - (other.endsAt ?? Infinity)
  return sooner || (endOf(one).name < endOf(other).name ? -1 : 1)
}
