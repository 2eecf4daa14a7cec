import { ranksByShape } from '#model/lease.ts'
import type { LiveLease } from '#model/live-lease.ts'

type End = { name: string; at: number }

/** Who of a set of leases ends first, as far as that is known, and whose is the youngest. */
type Some = { first: End | null; youngest: LiveLease[] }

/** What is asked of leases when somebody is refused, by where they are and whose; found out once a round. */
export type Holders = {
  at: (site: string) => Some
  of: (project: string, site?: string) => Some
  /** The first to end of those at a site that hold nodes of one of the shapes and of whom `holds` is true. */
  firstOf: (site: string, shapes: readonly string[], holds: (lease: LiveLease) => boolean) => End | null
}

const nobody: Some = { first: null, youngest: [] }

/** So many are asked what they hold; whoever ends after all of them is not what anybody waits for first. */
const mostAsked = 256

/** So many of the youngest are kept: nobody is told to stop himself, or what would not help. */
const mostYoungest = 8

/** `leases` stand in the order of their ids, the oldest first. */
export function holdersOf(leases: readonly LiveLease[]): Holders {
  const found = new Map<string, Some>()
  const ending = new Map<string, LiveLease[]>()
  for (const lease of leases) {
    const site = `${lease.provider}/${lease.site}`
    for (const key of [`at ${site}`, `of ${lease.project}`, `of ${lease.project} ${site}`]) {
      const some = found.get(key) ?? { first: null, youngest: [] }
      found.set(key, some)
      note(some, lease)
    }
    if (typeof lease.endsAt !== 'number') continue
    for (const shape of ranksByShape({ shape: lease.shape ?? '', ranks: lease.ranks }).keys()) {
      const key = `${site} ${shape}`
      const some = ending.get(key) ?? []
      ending.set(key, some)
      some.push(lease)
    }
  }
  const sorted = new Set<LiveLease[]>()
  return {
    at: (site) => found.get(`at ${site}`) ?? nobody,
    of: (project, site) => found.get(site === undefined ? `of ${project}` : `of ${project} ${site}`) ?? nobody,
    firstOf(site, shapes, holds) {
      // Who holds what is of no shape holds what may be of any.
      const firsts = [...shapes, ''].map((shape) => {
        const key = `${site} ${shape}`
        const some = ending.get(key) ?? []
        if (!sorted.has(some)) some.sort(byEnd)
        sorted.add(some)
        return some.slice(0, mostAsked).find(holds)
      })
      const [first] = firsts.filter((lease) => lease !== undefined).sort(byEnd)
      return first ? endOf(first) : null
    },
  }
}

const endOf = ({ workload, name, endsAt, endsName }: LiveLease): End => ({
  name: endsName ?? name ?? workload,
  at: endsAt ?? Infinity,
})

function byEnd(one: LiveLease, other: LiveLease): number {
  const sooner = (one.endsAt ?? Infinity) - (other.endsAt ?? Infinity)
  return sooner || (endOf(one).name < endOf(other).name ? -1 : 1)
}

function note(some: Some, lease: LiveLease): void {
  if (typeof lease.endsAt === 'number') {
    const one = endOf(lease)
    const { first } = some
    if (!first || one.at < first.at || (one.at === first.at && one.name < first.name)) some.first = one
  }
  if (lease.name === undefined) return
  some.youngest = [lease, ...some.youngest.filter((one) => one.workload !== lease.workload)].slice(0, mostYoungest)
}
