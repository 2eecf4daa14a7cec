import type { WhyView } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { workloadPath } from '#cli/client.ts'
import { note } from '#cli/io.ts'
import { forPeople } from '#cli/output/format.ts'
import { showOne } from '#cli/output/show.ts'

/** `isobar why`: the server's own answer. */
export async function why(call: Call): Promise<void> {
  const [name = ''] = call.args
  const api = await call.api()
  const answer = await api.get<WhyView>(workloadPath(name, '/why'), { project: call.text('project') })
  await showOne(call, { data: answer, name: () => answer.cause, people: () => `${answer.text.trimEnd()}\n` })
  const [best] = answer.next
  if (forPeople(call.format) && best && !answer.text.includes(best)) note(call.io, `next: ${best}`)
}
