import { z } from 'zod'

import { type Input, InputFault } from '#simulator/traces/input.ts'

/** Recorded faults of servers, numbered as they first appear. */
export type FaultTrace = { servers: number; events: { atMs: number; server: number; down: boolean }[] }

const dayMs = 86_400_000

const FaultEvents = z.array(
  z.object({ node_id: z.string(), event_time: z.number().min(0), event_type: z.enum(['fault_start', 'fault_end']) }),
)

/** Reads faults as InfiniteHBD published them (SIGCOMM 2025): a JSON list of begins and ends, in days. */
export function readFaultTrace(input: Input): FaultTrace {
  const servers = new Map<string, number>()
  const events = parseJson(
    input,
    FaultEvents,
    '[{"node_id": "a", "event_time": 3.9, "event_type": "fault_start"}]',
  ).map(({ node_id: id, event_time: days, event_type: type }) => {
    const server = servers.get(id) ?? servers.size
    servers.set(id, server)
    return { atMs: Math.round(days * dayMs), server, down: type === 'fault_start' }
  })
  return { servers: servers.size, events: events.sort((a, b) => a.atMs - b.atMs) }
}

/** Reads JSON by a schema; `like` shows what it should be. */
export function parseJson<S extends z.ZodType>(input: Input, schema: S, like: string): z.output<S> {
  let value: unknown
  try {
    value = JSON.parse(input.text)
  } catch (cause) {
    const [, line = '1', column = '1'] = /line (\d+) column (\d+)/.exec(String(cause)) ?? []
    const lines = input.text.split('\n', Number(line))
    const at = lines.slice(0, -1).reduce((sum, one) => sum + one.length + 1, 0) + Number(column) - 1
    throw new InputFault(input.wrong(at, 'this is not JSON', `write it like ${like}`).problems, { cause })
  }
  const read = schema.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw input.wrong(
    placeOf(input.text, issue?.path ?? []),
    `${issue?.path.join('.')}: ${issue?.message}`,
    `write it like ${like}`,
  )
}

/** Where about a path begins in the text of a JSON list: at the n-th brace of its outermost level. */
function placeOf(text: string, [first]: PropertyKey[]): number {
  if (typeof first !== 'number') return 0
  let [depth, seen, quoted] = [0, -1, false]
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]
    if (letter === '"' && text[at - 1] !== '\\') quoted = !quoted
    if (quoted) continue
    if (letter === '{' && ++depth === 1 && ++seen === first) return at
    if (letter === '}') depth--
  }
  return 0
}
