import type { Amounts, QuotaNode } from '#engine/queue/quota.ts'
import type { ShareNode } from '#engine/queue/share.ts'
import type { Project, Quota } from '#model/project.ts'

/** Quotas by the resources of a simulation: its units, and nodes. */
const amountsOf = ({ accelerators, cpuMilli, nodes }: Quota): Amounts => ({
  ...(accelerators !== undefined && { gpu: accelerators }),
  ...(cpuMilli !== undefined && { cpu: cpuMilli }),
  ...(nodes !== undefined && { nodes }),
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

/** Whether anybody may have to leave for work of a project. */
export const mayStop = ({ preemption }: Project): boolean =>
  preemption.within !== 'never' || preemption.reclaim !== 'never'
