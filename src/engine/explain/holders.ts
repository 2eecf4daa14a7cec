import type { LiveLease } from '#model/live-lease.ts'

/** Who of a set of leases ends first, as far as that is known, and whose is the youngest. */
type Some = { first: { name: string; at: number } | null; youngest: { name: string; workload: string }[] }

/** What is asked of leases when somebody is refused, by where they are and whose; found out once a round. */
export type Holders = {
  at: (site: string) => Some
  of: (project: string, site?: string) => Some
}

const nobody: Some = { first: null, youngest: [] }

/** `leases` stand in the order of their ids, the oldest first. */
export function holdersOf(leases: readonly LiveLease[]): Holders {
  const found = new Map<string, Some>()
  for (const lease of leases) {
    const site = `${lease.provider}/${lease.site}`
    for (const key of [`at ${site}`, `of ${lease.project}`, `of ${lease.project} ${site}`]) {
      const some = found.get(key) ?? { first: null, youngest: [] }
      found.set(key, some)
      note(some, lease)
    }
  }
  return {
    at: (site) => found.get(`at ${site}`) ?? nobody,
    of: (project, site) => found.get(site === undefined ? `of ${project}` : `of ${project} ${site}`) ?? nobody,
  }
}

function note(some: Some, { workload, name, endsAt, endsName }: LiveLease): void {
  if (typeof endsAt === 'number') {
    const one = { name: endsName ?? name ?? workload, at: endsAt }
    const { first } = some
    if (!first || one.at < first.at || (one.at === first.at && one.name < first.name)) some.first = one
  }
  if (name === undefined) return
  // Two are enough: nobody is told to stop himself.
  some.youngest = [{ name, workload }, ...some.youngest.filter((one) => one.workload !== workload)].slice(0, 2)
}
