import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

import type { PlanView, SubmittedView } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { applyPath, passCostGate } from '#cli/cost-gate.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { note } from '#cli/io.ts'
import { forPeople } from '#cli/output/format.ts'
import { showOne } from '#cli/output/show.ts'
import { planText } from '#cli/plan-text.ts'
import { prepare, readSpec } from '#cli/submission.ts'
import { showStarted } from './started.ts'

/** `isobar plan`: 10 when there is something to apply, 6 when nothing has a place, 7 when the money for it is used up. */
export async function plan(call: Call): Promise<number> {
  const spec = await readSpec(call.io, call.args[0] ?? '')
  const api = await call.api()
  const made = await api.send<PlanView>(
    'POST',
    '/v1/plans',
    await prepare({ io: call.io, api }, spec, { project: call.text('project') }),
  )
  await showOne(call, { data: made, name: () => made.id, people: () => planText(call, made, 'stdout') })
  const placed = made.documents.some(({ placement }) => placement !== null)
  const refusals = made.documents.flatMap(({ refusal }) => refusal ?? [])
  const [next] = refusals.flatMap((refusal) => refusal.next)
  note(call.io, `${made.id} holds until ${made.expiresAt}`)
  note(call.io, placed ? `next: isobar apply ${made.id}` : `next: ${next ?? `isobar apply ${made.id} (it waits)`}`)
  if (placed) return exitCodes.changesPending
  return refusals.some(({ cause }) => cause === 'budget') ? exitCodes.overLimit : exitCodes.noCapacity
}

/** `isobar apply`: exactly that plan, or the difference. */
export async function apply(call: Call): Promise<void> {
  const [id = ''] = call.args
  // What a shell makes of a plan that could not be made.
  if (id === '')
    throw new CliFault('the plan to apply is missing', { code: exitCodes.usage, next: ['isobar plan <file>'] })
  if (existsSync(resolve(call.io.cwd, id)))
    throw new CliFault(`${id} is a file; what is applied is a plan, by its id`, {
      code: exitCodes.usage,
      next: [`isobar plan ${id}`, `isobar run ${id}`],
    })
  const api = await call.api()
  const made = await api.get<PlanView>(`/v1/plans/${encodeURIComponent(id)}`)
  await passCostGate(call, made, (option) => `isobar apply ${id} ${option}`)
  const { workloads } = await api.send<SubmittedView>('POST', applyPath(call, id))
  await showStarted(call, workloads)
  if (!forPeople(call.format)) return
  const placed = new Set(made.documents.flatMap(({ name, placement }) => (placement ? name : [])))
  for (const { id: started, name } of workloads)
    note(call.io, `next: isobar ${placed.has(name) ? 'logs -f' : 'why'} ${started} (${name})`)
}
