import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { homeOf } from '#cli/home.ts'
import { note } from '#cli/io.ts'

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
    logLevel: call.text('log-level'),
  }
  return { home: homeOf(call.io), ...texts, ...flags }
}

const codes = { conflict: exitCodes.conflict, usage: exitCodes.usage, failed: exitCodes.failed } as const

/** A problem of the server or the store tells what, why, and the fix on its last line. */
export function faultOfServer(error: unknown): unknown {
  if (!(error instanceof Error) || !error.name.endsWith('Problem')) return error
  const lines = error.message.split('\n').filter(Boolean)
  const [what = error.message] = lines
  const fix = lines.length > 1 ? lines.at(-1) : undefined
  const code = 'code' in error && isCode(error.code) ? codes[error.code] : exitCodes.failed
  return new CliFault(what, { code, why: lines.slice(1, -1).join('\n'), ...(fix ? { next: [fix] } : {}) })
}

const isCode = (code: unknown): code is keyof typeof codes => typeof code === 'string' && code in codes
