import { flushCompileCache } from 'node:module'

import type { Call } from '#cli/call.ts'
import { homeOf } from '#cli/home.ts'
import { note } from '#cli/io.ts'
import { faultOfServer } from '#cli/server-fault.ts'

/** `isobar serve`: a control plane in this process, until SIGINT or SIGTERM, or until somebody stops it over the API. */
export async function serve(call: Call): Promise<void> {
  const { readOptions } = await import('#server/options.ts')
  const { serve: open } = await import('#server/serve.ts')
  const detached = call.flag('detached')
  try {
    const options = readOptions(given(call), call.io.env)
    const server = await open(options)
    if (!detached) note(call.io, `isobar serves at ${server.url}, with its state in ${options.home}. Ctrl-C ends it.`)
    const end = () => void server.close()
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, end)
    // One that is killed keeps nothing of what it compiled, and the next one should be back soon.
    flushCompileCache()
    await server.ended
  } catch (error) {
    throw faultOfServer(error)
  }
}

/** What was given on the command line; the rest comes from the environment. */
function given(call: Call): Record<string, unknown> {
  const flags = { allowRemote: call.flag('allow-remote') || undefined, detached: call.flag('detached') }
  const texts = {
    listen: call.text('listen'),
    port: call.text('port'),
    advertise: call.text('advertise'),
    keyFile: call.text('key-file'),
    keepDays: call.text('keep-days'),
    movesPerHour: call.text('moves-per-hour'),
    logLevel: call.text('log-level'),
  }
  return { home: homeOf(call.io), ...texts, ...flags }
}
