import type { ValidateView } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { faultFor } from '#cli/fault-data.ts'
import { note } from '#cli/io.ts'
import { showList } from '#cli/output/show.ts'
import { readSpec } from '#cli/submission.ts'

/** `isobar validate`: every file is checked, also after one that is wrong. */
export async function validate(call: Call): Promise<number> {
  const api = await call.api()
  const items: (ValidateView['documents'][number] & { file: string })[] = []
  let code: number = exitCodes.done
  for (const file of call.args) {
    try {
      const { text, filename } = await readSpec(call.io, file)
      const { documents, warnings } = await api.send<ValidateView>('POST', '/v1/validate', { text, filename })
      items.push(...documents.map((document) => ({ file, ...document })))
      for (const warning of warnings) note(call.io, `${file}: warning: ${warning}`)
    } catch (error) {
      if (!(error instanceof CliFault) || error.code !== exitCodes.usage) throw error
      note(call.io, faultFor(error, call.format.kind).trimEnd())
      code = exitCodes.usage
    }
  }
  if (items.length === 0 && code !== exitCodes.done && call.format.kind === 'table') return code // all was said
  await showList(call, {
    data: { items },
    items,
    columns: [
      { title: 'FILE', cell: (one) => one.file, text: true },
      { title: 'KIND', cell: (one) => one.kind },
      { title: 'NAME', cell: (one) => one.name },
      { title: 'PROJECT', cell: (one) => one.project },
      { title: 'NODES', cell: (one) => String(one.nodes), right: true },
      { title: 'REPLICAS', cell: (one) => String(one.replicas), right: true },
      { title: 'TASKS', cell: (one) => String(one.tasks ?? ''), right: true },
    ],
    name: (one) => one.name,
    empty: 'There is no document in it.',
  })
  return code
}
