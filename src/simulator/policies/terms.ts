import { domainResource, oneDomain } from '#engine/placement/domains.ts'
import type { Amounts, QuotaNode } from '#engine/queue/quota.ts'
import type { ShareNode } from '#engine/queue/share.ts'
import type { Project, Quota } from '#model/project.ts'

/** Quotas by the resources of a simulation: its units in thousandths, nodes, and domains as the engine counts them. */
const amountsOf = ({ accelerators, cpuMilli, nodes, domains = {} }: Quota): Amounts => ({
  ...(accelerators !== undefined && { gpu: 1000 * accelerators }),
  ...(cpuMilli !== undefined && { cpu: cpuMilli }),
  ...(nodes !== undefined && { nodes }),
  ...(domains.nvlink !== undefined && { [domainResource('nvlink')]: domains.nvlink * oneDomain }),
  ...(domains.block !== undefined && { [domainResource('block')]: domains.block * oneDomain }),
})

/** The tree of quotas that projects make. */
export const quotaNodes = (terms: readonly Project[]): QuotaNode[] =>
  terms.map(({ name, parent, quota, borrowing, lending }) => ({
    name,
    parent,
    nominal: amountsOf(quota),
    borrowing: amountsOf(borrowing),
    lending: amountsOf(lending),
  }))

/** The tree of shares that projects make. */
export const shareNodes = (terms: readonly Project[]): ShareNode[] =>
  terms.map(({ name, parent, weight }) => ({ name, parent, weight }))

/**
 * What each project weighs beside all others, where nobody knows trees: of what its parent weighs its part among all of it,
 * whether or not they ask for anything.
 */
export function weightsOf(names: readonly string[], terms: readonly Project[]): number[] {
  const termOf = new Map(terms.map((one) => [one.name, one]))
  const below = new Map<string, number>()
  for (const { parent, weight } of terms) if (parent !== null) below.set(parent, (below.get(parent) ?? 0) + weight)
  const weightOf = (name: string): number => {
    const { parent = null, weight = 1 } = termOf.get(name) ?? {}
    return parent === null ? weight : (weightOf(parent) * weight) / (below.get(parent) ?? weight)
  }
  return names.map(weightOf)
}

/** Whether anybody may have to leave for work of a project. */
export const mayStop = ({ preemption }: Project): boolean =>
  preemption.within !== 'never' || preemption.reclaim !== 'never'
