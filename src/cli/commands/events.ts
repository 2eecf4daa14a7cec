import type { EventPage, EventView } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { eventsOf } from '#cli/event-source.ts'
import { exitCodes } from '#cli/fault.ts'
import { interruptible, note, plain, write } from '#cli/io.ts'
import { dataLine, showList } from '#cli/output/show.ts'
import { createSession } from '#cli/session.ts'

const pageSize = 1000

/** `isobar events`: the newest, or all after a cursor; with -w on and on, one line an event. */
export async function events(call: Call): Promise<number> {
  const api = await call.api()
  const query = { workload: call.text('workload'), project: call.text('project'), after: call.text('after') }
  if (call.flag('watch'))
    return interruptible(async (signal) => {
      for await (const event of eventsOf(createSession(call.io, api), { query, signal }))
        await write(call.io, lineOf(call, event))
      return exitCodes.interrupted
    })
  const page = await api.get<EventPage>('/v1/events', { ...query, pageSize: query.after ? pageSize : 100 })
  await showList(call, {
    data: page,
    items: page.items,
    columns: [
      { title: 'AT', cell: ({ at }) => at },
      { title: 'CURSOR', cell: ({ cursor }) => cursor, wide: true },
      { title: 'TYPE', cell: ({ type }) => type },
      { title: 'WORKLOAD', cell: ({ workload }) => workload ?? '' },
      { title: 'MESSAGE', cell: ({ message }) => message, text: true },
    ],
    name: ({ cursor }) => cursor,
    empty: 'Nothing happened yet.',
  })
  if (query.after && page.items.length === pageSize && page.next)
    note(call.io, `next: isobar events --after ${page.next}`)
  return exitCodes.done
}

/** An event of an endless list: a line for people, or a document of its own. */
function lineOf(call: Call, event: EventView): string {
  switch (call.format.kind) {
    case 'table':
    case 'wide':
      return `${event.at}  ${event.type.padEnd(22)}  ${event.workload ?? '–'}  ${plain(event.message)}\n`
    case 'name':
      return `${event.cursor}\n`
    default:
      return dataLine(call.format, event)
  }
}
