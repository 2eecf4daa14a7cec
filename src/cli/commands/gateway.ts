import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { gatewayFile, homeOf, readToken } from '#cli/home.ts'
import { interruptible, note } from '#cli/io.ts'

/** `isobar gateway`: one address for all services in this process, until Ctrl-C or SIGTERM. */
export async function gateway(call: Call): Promise<void> {
  const { io } = call
  const port = Number(call.text('port') ?? 7412)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new CliFault(`"${call.text('port')}" is not a port`, {
      code: exitCodes.usage,
      next: ['isobar gateway --port 7412'],
    })
  const { url: server } = await call.api()
  const { openGateway } = await import('#gateway/gateway.ts')
  const token = io.env.ISOBAR_SERVER ? (io.env.ISOBAR_TOKEN ?? '') : readToken(homeOf(io))
  const open = await openGateway({ server, token, host: '127.0.0.1', port }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    throw new CliFault(`port ${port} is taken`, {
      code: exitCodes.conflict,
      next: [`isobar gateway --port ${port + 1}`],
    })
  })
  const file = io.env.ISOBAR_SERVER ? null : gatewayFile(homeOf(io))
  const ours = `${JSON.stringify({ pid: process.pid, url: open.url })}\n`
  if (file) writeFileSync(file, ours, { mode: 0o600 })
  note(io, `services are at ${open.url}/<project>/<service>/. Ctrl-C ends it.`)
  await interruptible(
    (interrupted) =>
      new Promise<void>((resolve) => {
        interrupted.addEventListener('abort', () => resolve(), { once: true })
        process.once('SIGTERM', () => resolve())
      }),
  )
  // A second gateway that came later has written its own.
  if (file && existsSync(file) && readFileSync(file, 'utf8') === ours) rmSync(file, { force: true })
  await open.close()
}
