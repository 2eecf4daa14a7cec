import type { WorkloadDetail } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { workloadPath, type Api } from '#cli/client.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { interruptible, note, write, type Io } from '#cli/io.ts'
import { asWritten, followLog, readLog, type LinesOf, type LogQuery } from '#cli/log-follower.ts'
import { asLines } from '#cli/log-lines.ts'
import { forPeople } from '#cli/output/format.ts'
import { dataLine } from '#cli/output/show.ts'
import { remoteCode, wayBack } from '#cli/outcome.ts'
import { createSession } from '#cli/session.ts'

/** `isobar logs`: what is there; with -f until the end, and then with the exit code of the run. */
export async function logs(call: Call): Promise<number> {
  const [name = ''] = call.args
  const api = await call.api()
  const { id } = await api.get<WorkloadDetail>(workloadPath(name), { project: call.text('project') })
  const query = queryOf(call)
  const lines = linesOf(call, query)
  if (!call.flag('follow')) {
    const isWhole = forPeople(call.format)
      ? await passLog(call.io, api, { workload: id, query })
      : await readLog(api, { workload: id, query, lines })
    if (isWhole) return exitCodes.done
    throw new CliFault(`the server ended in the middle of the log of ${name}`, { next: [`isobar logs ${id}`] })
  }
  return interruptible(async (signal) => {
    const session = createSession(call.io, api)
    await followLog(session, { workload: id, query, lines, signal })
    if (signal.aborted) {
      note(call.io, `${name} goes on\n${wayBack({ id, kind: 'job' })}`)
      return exitCodes.interrupted
    }
    const ended = await session.keep((now) => now.get<WorkloadDetail>(workloadPath(id)), signal)
    return call.text('exit-code') === 'local' ? exitCodes.done : remoteCode(ended)
  })
}

/** What is there of a log, byte for byte. False when it broke off. */
async function passLog(io: Io, api: Api, { workload, query }: { workload: string; query: LogQuery }): Promise<boolean> {
  const response = await api.open('GET', workloadPath(workload, '/logs'), { query })
  try {
    for await (const part of response) await write(io, part)
    return true
  } catch (error) {
    if (error !== response.errored) throw error
    return false
  }
}

function linesOf(call: Call, query: LogQuery): LinesOf {
  const { io, format } = call
  if (forPeople(format)) return asWritten(query, (bytes) => write(io, bytes))
  const replica = Number(query.replica ?? 0)
  if (format.kind !== 'name') return asLines((line) => write(io, dataLine(format, { replica, ...line })))
  throw new CliFault('lines of a log have no names', {
    code: exitCodes.usage,
    next: ['isobar logs <workload> (without -o: as it was written)', 'isobar logs <workload> -o json'],
  })
}

function queryOf(call: Call): LogQuery {
  const query: LogQuery = { rank: call.text('rank') ?? '0' }
  for (const name of ['replica', 'attempt', 'from'] as const) {
    const value = call.text(name)
    if (value !== undefined) query[name] = value
  }
  if (query.rank === 'all' || /^\d+$/.test(query.rank)) return query
  throw new CliFault(`--rank ${query.rank} is neither a number nor all`, {
    code: exitCodes.usage,
    next: ['isobar logs --help'],
  })
}
