import type { WorkloadDetail } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { workloadPath } from '#cli/client.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { interruptible, note, write } from '#cli/io.ts'
import { followLog, type LogQuery } from '#cli/log-follower.ts'
import { remoteCode, wayBack } from '#cli/outcome.ts'
import { createSession } from '#cli/session.ts'

/** `isobar logs`: what is there; with -f until the end, and then with the exit code of the run. */
export async function logs(call: Call): Promise<number> {
  const [name = ''] = call.args
  const api = await call.api()
  const { id } = await api.get<WorkloadDetail>(workloadPath(name), { project: call.text('project') })
  const query = queryOf(call)
  const sink = (bytes: Uint8Array) => write(call.io, bytes)
  if (!call.flag('follow')) {
    const response = await api.open('GET', workloadPath(id, '/logs'), { query })
    try {
      for await (const part of response) await sink(part)
    } catch (error) {
      if (error !== response.errored) throw error
      throw new CliFault(`the server ended in the middle of the log of ${name}`, { next: [`isobar logs ${id}`] })
    }
    return exitCodes.done
  }
  return interruptible(async (signal) => {
    const session = createSession(call.io, api)
    await followLog(session, { workload: id, query, sink, signal })
    if (signal.aborted) {
      note(call.io, `${name} goes on\n${wayBack({ id, kind: 'job' })}`)
      return exitCodes.interrupted
    }
    const ended = await session.keep((now) => now.get<WorkloadDetail>(workloadPath(id)), signal)
    return call.text('exit-code') === 'local' ? exitCodes.done : remoteCode(ended)
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
