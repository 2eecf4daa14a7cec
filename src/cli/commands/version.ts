import type { ServerView } from '#api/server-views.ts'
import type { Call } from '#cli/call.ts'
import { connectRunning } from '#cli/connect.ts'
import { showOne } from '#cli/output/show.ts'
import { version } from '#cli/version.ts'

/** `isobar version`: starts no server to tell its version. */
export async function showVersion(call: Call): Promise<void> {
  const api = await connectRunning(call.io)
  const server = api ? (await api.get<ServerView>('/v1/server')).version : null
  const data = { isobar: version, node: process.versions.node, server }
  await showOne(call, {
    data,
    name: () => version,
    people: () => `isobar ${version}, Node ${data.node}, server ${server ?? 'not running'}\n`,
  })
}
