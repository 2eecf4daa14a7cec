import type { PlanDocumentView, PlanView } from '#api/views.ts'

import { CliFault, exitCodes } from './fault.ts'
import { plain } from './io.ts'

/** It waits for money that a project gets, or ends at its deadline: what is refused for these does not wait for ever. */
const passing = new Set(['budget', 'deadline'])

const isHopeless = ({ placed, refusal }: PlanDocumentView): boolean =>
  placed === 0 && refusal?.impossible === true && !passing.has(refusal.cause)

/**
 * Ends the command where something in a plan can never start as things are: followed, it would be followed for ever, and
 * the other documents of the file would wait for it in vain. `isobar apply` submits it all the same.
 */
export function refuseHopeless({ id, documents }: PlanView): void {
  const hopeless = documents.filter(isHopeless)
  if (hopeless.length === 0) return
  const names = hopeless.map(({ name }) => name).join(', ')
  const next = hopeless.flatMap(({ refusal }) => refusal?.next ?? [])
  throw new CliFault(`${names} can never start as things are; nothing was submitted`, {
    code: exitCodes.noCapacity,
    why: hopeless
      .flatMap(({ name, refusal }) => refusal?.lines.map((line) => `${name}: ${plain(line)}`) ?? [])
      .join('\n'),
    next: [...new Set([...next, `isobar apply ${id} (it waits until that has changed)`])],
  })
}
