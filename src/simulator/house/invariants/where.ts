import type { Policy } from '#model/policy.ts'
import type { Node } from '#model/site.ts'
import type { Decision } from './decisions.ts'
import type { Invariant, Seen } from './invariant.ts'
import type { LeaseRow, Tables, WorkloadRow } from './tables.ts'

/** Work is only where its spec, its data and the policy of its project let it be, and costs no more than they let it. */
export function workIsWhereItMayBe(): Invariant {
  let before: Tables['projects'] | undefined
  return {
    name: 'work is only where it may be',
    rule: 9,
    when: 'always',
    check({ changes, tables, decisions }) {
      const earlier = before ?? tables.projects
      if (changes.projects.length > 0 || before === undefined) before = new Map(tables.projects)
      const marked = decisions.flatMap((decision) => keptOff(decision, tables))
      const misplaced = changes.leases.flatMap(({ before: was, after }) => {
        const workload = after && was === null ? tables.workloads.get(after.workload) : undefined
        if (!after || !workload) return []
        // It may have been decided on the policy at the look before.
        const versions = [tables.projects, earlier].map((projects) => projects.get(workload.project)?.policy)
        const barred = versions.map((policy) => barredBy({ lease: after, workload, policy }, tables))
        return barred.some((some) => some.length === 0) ? [] : (barred[0] ?? [])
      })
      return [...misplaced, ...marked]
    },
  }
}

type Placement = WorkloadRow['spec']['placement']
type Placing = { lease: LeaseRow; workload: WorkloadRow; policy: Policy | undefined }

function barredBy({ lease, workload, policy }: Placing, tables: Seen['tables']): string[] {
  const { id, provider, site, priceMicros, ranks } = lease
  const { spec, project } = workload
  const key = `${provider}/${site}`
  // Of a site of which nobody knows where it is nothing is allowed.
  const is = tables.sites.get(key)?.info.jurisdictions ?? []
  const { placement, data } = spec
  const bars: { whose: string; allowed: readonly string[] | undefined; is: readonly string[] }[] = [
    { whose: 'its spec', allowed: placement.sites, is: [key] },
    { whose: 'its spec', allowed: placement.providers, is: [provider] },
    { whose: 'its spec', allowed: placement.jurisdictions, is },
    { whose: `project ${project}`, allowed: policy?.providers, is: [provider] },
    { whose: `project ${project}`, allowed: policy?.sites, is: [key] },
    { whose: `project ${project}`, allowed: policy?.jurisdictions, is },
    ...data.map(({ name, jurisdictions }) => ({ whose: `data set ${name}`, allowed: jurisdictions, is })),
  ]
  const most = Math.min(placement.maxPriceMicros ?? Infinity, policy?.maxPriceMicros ?? Infinity)
  return [
    ...bars.flatMap(({ whose, allowed, is: its }) =>
      allowed === undefined || its.some((one) => allowed.includes(one))
        ? []
        : [`lease ${id} is at ${key}, and ${whose} allows only ${allowed.join(', ')}`],
    ),
    ...(priceMicros > most * ranks.length
      ? [`lease ${id} costs ${priceMicros} micro-dollars an hour for ${ranks.length} nodes, and each may cost ${most}`]
      : []),
  ]
}

/** What was placed on nodes without the labels that it asks for, or with taints that it does not tolerate, as they were told. */
function keptOff({ leases, placed, told }: Decision, { workloads }: Seen['tables']): string[] {
  return leases.flatMap(({ id, workload, ranks }) => {
    const placement = placed.has(id) ? workloads.get(workload)?.spec.placement : undefined
    if (!placement) return []
    return ranks.flatMap(({ node: name }) => {
      const asTold = told.flatMap((nodes) => (nodes ? (nodes.find((node) => node.name === name) ?? []) : []))
      const isNamed = name !== undefined && asTold.length > 0
      if (isNamed ? asTold.some((node) => takes(node, placement)) : placement.nodeLabels === undefined) return []
      return [
        `lease ${id} is on ${name ?? 'any node'}, which is told as ${JSON.stringify(asTold[0])}, and ${workload} asks for ${JSON.stringify(placement)}`,
      ]
    })
  })
}

function takes({ labels, taints = [] }: Node, { nodeLabels = {}, tolerations = [] }: Placement): boolean {
  const has = Object.entries(nodeLabels).every(([name, value]) => labels?.[name] === value)
  return has && taints.every((taint) => tolerations.includes(taint))
}
