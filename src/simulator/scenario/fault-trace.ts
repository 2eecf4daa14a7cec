import { z } from 'zod'

import type { Input } from '#simulator/traces/input.ts'

import { parseJson, placeOf } from './json.ts'

/** Recorded faults of servers, numbered as they first appear. */
export type FaultTrace = { servers: number; events: { atMs: number; server: number; down: boolean }[] }

const dayMs = 86_400_000

const FaultEvents = z.array(
  z.object({ node_id: z.string(), event_time: z.number().min(0), event_type: z.enum(['fault_start', 'fault_end']) }),
)

const like = '[{"node_id": "a", "event_time": 3.9, "event_type": "fault_start"}]'

/**
 * Reads faults as InfiniteHBD published them (SIGCOMM 2025): a JSON list of begins and ends, in days. A server may have
 * several faults at once; it is back when all of them are over.
 */
export function readFaultTrace(input: Input): FaultTrace {
  const servers = new Map<string, number>()
  const told = parseJson(input, FaultEvents, like).map(({ node_id: id, event_time: days, event_type: type }, index) => {
    const server = servers.get(id) ?? servers.size
    servers.set(id, server)
    return { atMs: Math.round(days * dayMs), server, down: type === 'fault_start', index, id }
  })
  const faults = new Uint16Array(servers.size)
  const events = told.sort((a, b) => a.atMs - b.atMs)
  for (const { server, down, index, id } of events) {
    if (!down && faults[server] === 0)
      throw input.wrong(
        placeOf(input.text, [index]),
        `${id} is repaired without having failed`,
        'add the fault_start that came before it, or leave it out',
      )
    faults[server] = (faults[server] ?? 0) + (down ? 1 : -1)
  }
  return { servers: servers.size, events: events.map(({ atMs, server, down }) => ({ atMs, server, down })) }
}
