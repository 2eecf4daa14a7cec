import type { ServerView } from '#api/server-views.ts'
import type { Call } from '#cli/call.ts'
import { connectRunning, startServer, waitForEnd } from '#cli/connect.ts'
import type { Api } from '#cli/client.ts'
import { CliFault, exitCodes, Unreachable } from '#cli/fault.ts'
import { homeOf, isAlive, readServerFile, serverLog } from '#cli/home.ts'
import { note, progress } from '#cli/io.ts'
import { showOne } from '#cli/output/show.ts'
import { renderFacts } from '#cli/output/table.ts'
import { ago } from '#cli/output/words.ts'

/** How long a server may take to end: it settles what it is doing first. */
const endMs = 20_000

/** `isobar server status` */
export async function status(call: Call): Promise<void> {
  const api = await connectRunning(call.io)
  if (!api) throw notRunning(call)
  await tell(call, api)
}

/** `isobar server start` */
export async function start(call: Call): Promise<void> {
  const home = homeOf(call.io)
  if (!(await connectRunning(call.io))) await startServer(call.io, home)
  await tell(call, await call.api())
}

/** `isobar server stop` */
export async function stop(call: Call): Promise<void> {
  const url = readServerFile(homeOf(call.io))?.url ?? null
  if (call.flag('remove')) {
    const { removeState } = await import('./remove-state.ts')
    await removeState(call, end)
  } else note(call.io, await end(call))
  const data = { url: call.io.env.ISOBAR_SERVER || url, runs: false, removed: call.flag('remove') }
  await showOne(call, { data, name: () => data.url ?? '', people: () => '' })
}

/** Ends the server, and returns what to say of it. */
async function end(call: Call): Promise<string> {
  const home = homeOf(call.io)
  const file = readServerFile(home)
  const api = await connectRunning(call.io)
  if (!api) {
    if (file && isAlive(file.pid))
      throw new CliFault(`the server (process ${file.pid}) lives but does not answer`, {
        why: `Its log is ${serverLog(home)}.`,
        next: [`kill ${file.pid}`],
      })
    return 'the server does not run'
  }
  await api.send('POST', '/v1/server/stop').catch((error: unknown) => {
    // It may end before its answer is through; whether it has ended is looked at below.
    if (!(error instanceof Unreachable)) throw error
  })
  if (!file || call.io.env.ISOBAR_SERVER) return `the server at ${api.url} ends`
  const done = progress(call.io, () => 'the server is ending …')
  const ended = await waitForEnd(file.pid, endMs).finally(done)
  if (!ended)
    throw new CliFault(`the server (process ${file.pid}) has not ended after ${endMs / 1000} s`, {
      why: `Its log is ${serverLog(home)}.`,
      next: [`kill ${file.pid}`],
    })
  return 'the server has ended; what runs goes on. next: isobar server start'
}

async function tell(call: Call, api: Api): Promise<void> {
  const server = await api.get<ServerView>('/v1/server')
  const facts: [string, string][] = [
    ['Server', `${server.url} (${server.id})`],
    ['Version', server.version],
    ['Database', server.database],
    ['Up', `${ago(server.since, Date.now())}, since ${server.since}`],
    ['Control planes', String(server.controlPlanes.length)],
    ...(call.io.env.ISOBAR_SERVER ? [] : ([['State', homeOf(call.io)]] satisfies [string, string][])),
  ]
  await showOne(call, { data: server, name: () => server.url, people: () => renderFacts(facts, false) })
}

const notRunning = (call: Call): CliFault =>
  new CliFault('the server does not run', {
    code: exitCodes.notFound,
    why: `Its state is in ${homeOf(call.io)}. Commands that need it start it.`,
    next: ['isobar server start'],
  })
