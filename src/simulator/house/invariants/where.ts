import type { Invariant, Seen } from './invariant.ts'
import type { WorkloadRow } from './tables.ts'

/** Work is only where its spec, its data and the policy of its project let it be. */
export const workIsWhereItMayBe = (): Invariant => ({
  name: 'work is only where it may be',
  rule: 9,
  when: 'always',
  check: (seen) =>
    seen.changes.leases.flatMap(({ before, after }) => {
      const workload = after && before === null ? seen.tables.workloads.get(after.workload) : undefined
      if (!after || !workload) return []
      const site = `${after.provider}/${after.site}`
      return barring(workload, site, seen)
        .filter(({ allowed, is }) => allowed !== undefined && !is.some((one) => allowed.includes(one)))
        .map(({ whose, allowed }) => `lease ${after.id} is at ${site}, and ${whose} allows only ${allowed?.join(', ')}`)
    }),
})

type Bar = { whose: string; allowed: readonly string[] | undefined; is: readonly string[] }

function barring({ spec, project }: WorkloadRow, site: string, { tables }: Seen): Bar[] {
  const is = tables.sites.get(site)?.info.jurisdictions ?? []
  const provider = [site.slice(0, site.indexOf('/'))]
  const { placement, data } = spec
  const policy = tables.projects.get(project)?.policy
  return [
    { whose: 'its spec', allowed: placement.sites, is: [site] },
    { whose: 'its spec', allowed: placement.providers, is: provider },
    { whose: 'its spec', allowed: placement.jurisdictions, is },
    { whose: `project ${project}`, allowed: policy?.providers, is: provider },
    { whose: `project ${project}`, allowed: policy?.sites, is: [site] },
    { whose: `project ${project}`, allowed: policy?.jurisdictions, is },
    ...data.map(({ name, jurisdictions }) => ({ whose: `data set ${name}`, allowed: jurisdictions, is })),
  ]
}
