import type { Amounts, QuotaNode, QuotaTree } from '#engine/queue/quota.ts'
import type { Project, Quota } from '#model/project.ts'

import { amountsOf, type Look } from './look.ts'
import type { Need } from './need.ts'
import * as say from './words.ts'

/** What a quota speaks of, how much of it counts as one for people, and what they call that. */
const units = {
  accelerators: { size: 1000, noun: 'accelerator' },
  nodes: { size: 1, noun: 'node' },
  cpuMilli: { size: 1000, noun: 'CPU' },
} as const
type Resource = keyof typeof units
const isResource = (name: string): name is Resource => name in units

/** Accelerators are counted in thousandths, for some take only a part of one. */
const scaled = ({ accelerators, cpuMilli, nodes }: Quota): Amounts => ({
  ...(accelerators !== undefined && { accelerators: accelerators * units.accelerators.size }),
  ...(cpuMilli !== undefined && { cpuMilli }),
  ...(nodes !== undefined && { nodes }),
})

/** The quotas of all projects, and of those that are no more but of which something still runs: these have none. */
export function quotaNodes(projects: readonly Project[], running: Iterable<string>): QuotaNode[] {
  const nodes = new Map<string, QuotaNode>()
  for (const name of running) nodes.set(name, { name, parent: null, nominal: {}, borrowing: {}, lending: {} })
  for (const { name, parent, quota, borrowing, lending } of projects)
    nodes.set(name, {
      name,
      parent,
      nominal: scaled(quota),
      borrowing: scaled(borrowing),
      lending: scaled(lending),
    })
  return [...nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The limits, and what of them is used by leases and by those that were placed in this round. */
export type Quotas = { quotaOf: Map<string, QuotaNode>; quota: QuotaTree }

/** What of a quota stands in the way, in words, and whether no end of others could change it. */
export function quotaLack(
  need: Need,
  look: Look,
  { quota, quotaOf }: Quotas,
): { detail: string; isForGood: boolean } | null {
  const { name } = need.project
  const amounts = amountsOf(need, look)
  const short = quota.shortage(name, amounts)
  if (!short || !isResource(short.resource)) return null
  const { size, noun } = units[short.resource]
  const wants = amounts[short.resource] ?? 0
  const needs = `needs ${say.count(wants / size, noun)}`
  const isForGood = quota.potential(name, short.resource) < wants
  const node = quotaOf.get(name)
  if (!node?.parent) {
    const [allowed, used] = [node?.nominal[short.resource] ?? 0, quota.used(name, short.resource)]
    return { detail: `${needs}; project ${name} may hold ${allowed / size} and holds ${used / size}`, isForGood }
  }
  const whose = short.limit === 'borrowing' ? `what ${short.at} may borrow` : `the quota of ${short.at}`
  return { detail: `${needs}; ${whose} leaves ${Math.floor(short.free / size)} to project ${name}`, isForGood }
}
