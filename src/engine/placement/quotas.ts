import type { Amounts, QuotaNode, QuotaTree } from '#engine/queue/quota.ts'
import type { Project, Quota } from '#model/project.ts'

import { domainResource, domainsHeld, oneDomain } from './domains.ts'
import { amountsOf, sliceOfRanks, type Look } from './look.ts'
import type { Need } from './need.ts'
import { dominantShare } from './slice.ts'
import * as say from './words.ts'

/** What a quota speaks of, how much of it counts as one for people, and what they call that. */
const units = {
  accelerators: { size: 1000, noun: 'accelerator' },
  nodes: { size: 1, noun: 'node' },
  cpuMilli: { size: 1000, noun: 'CPU' },
  [domainResource('nvlink')]: { size: oneDomain, noun: 'NVLink domain' },
  [domainResource('block')]: { size: oneDomain, noun: 'block' },
}
const inUnits = (amount: number, size: number): number => Math.round((amount / size) * 1000) / 1000

/** Accelerators are counted in thousandths, for some take only a part of one; domains in millionths. */
const scaled = ({ accelerators, cpuMilli, nodes, domains = {} }: Quota): Amounts => ({
  ...(accelerators !== undefined && { accelerators: accelerators * units.accelerators.size }),
  ...(cpuMilli !== undefined && { cpuMilli }),
  ...(nodes !== undefined && { nodes }),
  ...(domains.nvlink !== undefined && { [domainResource('nvlink')]: domains.nvlink * oneDomain }),
  ...(domains.block !== undefined && { [domainResource('block')]: domains.block * oneDomain }),
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

/** Whether anybody has a quota of domains: they are not worth counting otherwise. */
export const countsDomains = (projects: readonly Project[]): boolean =>
  projects.some(({ quota, borrowing, lending }) => [quota, borrowing, lending].some(({ domains }) => domains))

/**
 * The limits, and what of them is used by leases and by those that were placed in this round; whether domains are counted.
 */
export type Quotas = { quotaOf: Map<string, QuotaNode>; quota: QuotaTree; domains: boolean }

/** What a gang would count against quotas where it looks. */
export function amountsAt(need: Need, look: Look, { domains }: Quotas): Amounts {
  const amounts = amountsOf(need, look)
  if (!domains) return amounts
  const { ground } = look.candidate
  const nodes = look.mix
    ? look.mix.reduce((sum, one) => sum + nodesTaken(one.need, one.look), 0)
    : nodesTaken(need, look)
  return { ...amounts, ...domainsHeld(ground, nodes, need.spec.topology?.exclusive) }
}

/** Parts of nodes together. Where nodes have no names a rank is told a node, whatever it takes of it. */
function nodesTaken(need: Need, look: Look): number {
  const { ground, offer } = look.candidate
  const shares = sliceOfRanks(need, look).map((slice) => (ground.names ? dominantShare(slice, offer.shape) : 1))
  return shares.reduce((sum, share) => sum + share, 0)
}

/** What of a quota stands in the way, in words, and whether no end of others could change it. */
export function quotaLack(need: Need, look: Look, quotas: Quotas): { detail: string; isForGood: boolean } | null {
  const { name } = need.project
  const { quota, quotaOf } = quotas
  const amounts = amountsAt(need, look, quotas)
  const short = quota.shortage(name, amounts)
  const unit = short && Object.entries(units).find(([resource]) => resource === short.resource)?.[1]
  if (!unit) return null
  const { size, noun } = unit
  const wants = amounts[short.resource] ?? 0
  const needs = `needs ${say.count(inUnits(wants, size), noun)}`
  const isForGood = quota.potential(name, short.resource) < wants
  const node = quotaOf.get(name)
  if (!node?.parent) {
    const [allowed, used] = [node?.nominal[short.resource] ?? 0, quota.used(name, short.resource)]
    return {
      detail: `${needs}; project ${name} may hold ${inUnits(allowed, size)} and holds ${inUnits(used, size)}`,
      isForGood,
    }
  }
  const whose = short.limit === 'borrowing' ? `what ${short.at} may borrow` : `the quota of ${short.at}`
  return { detail: `${needs}; ${whose} leaves ${inUnits(short.free, size)} to project ${name}`, isForGood }
}
