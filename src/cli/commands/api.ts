import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { readStdin, write } from '#cli/io.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const mostBytes = 64 * 1024 * 1024

/** `isobar api`: the request as it is, the answer as it comes. */
export async function callApi(call: Call): Promise<number> {
  const [first = '', second] = call.args
  const method = second === undefined ? 'GET' : first.toUpperCase()
  const path = second ?? first
  if (!methods.includes(method))
    throw new CliFault(`"${first}" is not a method`, {
      code: exitCodes.usage,
      why: `It is one of ${methods.join(', ')}.`,
      next: [`isobar api get ${path}`],
    })
  const takesBody = method === 'POST' || method === 'PUT' || method === 'PATCH'
  const body = takesBody && !call.io.tty.stdin ? await readStdin(call.io, mostBytes) : new Uint8Array()
  const api = await call.api()
  const response = await api.open(method, `/${path.replace(/^\//, '')}`, {
    headers: { accept: '*/*', ...(body.length > 0 ? { 'content-type': 'application/json' } : {}) },
    ...(body.length > 0 ? { body } : {}),
    silenceMs: 0,
  })
  let last = 10
  for await (const part of response) {
    const bytes: Buffer = part
    last = bytes.at(-1) ?? last
    await write(call.io, bytes)
  }
  if (last !== 10 && call.io.tty.stdout) await write(call.io, '\n')
  return exitCodes.done
}
