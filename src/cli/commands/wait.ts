import type { WorkloadDetail } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { workloadPath } from '#cli/client.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { waitOnce } from '#cli/follow.ts'
import { interruptible } from '#cli/io.ts'
import { remoteCode } from '#cli/outcome.ts'
import { showOne } from '#cli/output/show.ts'
import { hasEnded } from '#cli/output/words.ts'
import { createSession } from '#cli/session.ts'
import { parseDuration } from '#kit/duration.ts'

/** One long poll takes at most so many seconds. */
const pollSeconds = 30

/** `isobar wait` */
export async function wait(call: Call): Promise<number> {
  const [name = ''] = call.args
  const goal = call.text('for') ?? 'ended'
  const api = await call.api()
  const until = Date.now() + timeoutOf(call)
  const { id } = await api.get<WorkloadDetail>(workloadPath(name), { project: call.text('project') })
  return interruptible(async (signal) => {
    const session = createSession(call.io, api)
    for (;;) {
      const left = Math.max(0, until - Date.now())
      const query = { for: goal, timeoutSeconds: Math.min(pollSeconds, Math.ceil(left) / 1000) }
      const there = await session.keep((now) => waitOnce(now, { workload: id, goal: query, signal }), signal)
      const workload = await session.keep((now) => now.get<WorkloadDetail>(workloadPath(id)), signal)
      if (there) return tell(call, goal, workload)
      if (left === 0)
        throw new CliFault(`${workload.name} is not ${goal} yet: ${workload.summary || workload.state}`, {
          code: exitCodes.stillRunning,
          why: workload.reason,
          next: [`isobar why ${id}`],
        })
    }
  })
}

async function tell(call: Call, goal: string, workload: WorkloadDetail): Promise<number> {
  const text = `${workload.name} ${workload.summary || workload.state}\n`
  await showOne(call, { data: workload, name: () => workload.name, people: () => text })
  if (call.text('exit-code') === 'remote' && hasEnded(workload)) return remoteCode(workload)
  if (goal === 'ended' || !hasEnded(workload) || workload.state === 'succeeded') return exitCodes.done
  throw new CliFault(`${workload.name} will not be ${goal} any more: it has ${workload.state}`, {
    why: workload.reason,
    next: [`isobar describe ${workload.id}`],
  })
}

function timeoutOf(call: Call): number {
  const text = call.text('timeout')
  if (text === undefined) return Number.MAX_SAFE_INTEGER
  const milliseconds = parseDuration(/^\d+$/.test(text) ? Number(text) : text)
  if (typeof milliseconds === 'number') return milliseconds
  throw new CliFault(`--timeout: ${milliseconds.problem}`, { code: exitCodes.usage, next: ['isobar wait --help'] })
}
