import type { IncomingMessage } from 'node:http'

import type { Call } from '#cli/call.ts'
import { readText } from '#cli/client.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { readStdin, write } from '#cli/io.ts'
import { forPeople } from '#cli/output/format.ts'
import { showList, showOne } from '#cli/output/show.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const mostBytes = 64 * 1024 * 1024

/** `isobar api`: the request as it is, the answer as it comes, or in the format that was asked for. */
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
  const given = headersOf(call)
  const body = takesBody && !call.io.tty.stdin ? await readStdin(call.io, mostBytes) : new Uint8Array()
  const api = await call.api()
  const response = await api.open(method, `/${path.replace(/^\//, '')}`, {
    headers: { accept: '*/*', ...(body.length > 0 ? { 'content-type': 'application/json' } : {}), ...given },
    ...(body.length > 0 ? { body } : {}),
    silenceMs: 0,
  })
  if (!forPeople(call.format)) {
    if (call.flag('include'))
      throw new CliFault('headers are no part of -o', { code: exitCodes.usage, next: [`isobar api -i ${path}`] })
    await showAnswer(call, await readText(response))
    return exitCodes.done
  }
  if (call.flag('include')) await write(call.io, headOf(response))
  let last = 10
  for await (const part of response) {
    const bytes: Buffer = part
    last = bytes.at(-1) ?? last
    await write(call.io, bytes)
  }
  if (last !== 10 && call.io.tty.stdout) await write(call.io, '\n')
  return exitCodes.done
}

/** What was asked for with `--header`. What a value is may be a secret, and is not repeated. */
function headersOf(call: Call): Record<string, string> {
  const next = [`isobar api --header 'If-Match: "…"' put v1/workloads/train/priority`]
  return Object.fromEntries(
    call.texts('header').map((text) => {
      const [, name = '', value = ''] = /^([\w!#$%&'*+.^`|~-]+):[\t ]*([\t -~\x80-\xff]*)$/.exec(text) ?? []
      if (name === '') throw new CliFault('a header is "name: value"', { code: exitCodes.usage, next })
      if (name.toLowerCase() === 'authorization')
        throw new CliFault('the token of the server is sent by itself', { code: exitCodes.usage, next })
      return [name.toLowerCase(), value]
    }),
  )
}

/** Status and headers as they came. */
function headOf({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  const lines = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1]}`] : []))
  return [`HTTP/1.1 ${statusCode} ${statusMessage}`, ...lines, '', ''].join('\n')
}

/** An answer is one thing, or a page of items. */
async function showAnswer(call: Call, text: string): Promise<void> {
  const data = parsed(text)
  const items =
    data && typeof data === 'object' && 'items' in data && Array.isArray(data.items) ? data.items : undefined
  if (items) await showList<unknown>(call, { data, items, columns: [], name: nameOf, empty: '' })
  else await showOne(call, { data, name: () => nameOf(data), people: () => text })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text || 'null')
  } catch {
    throw new CliFault('the answer is not JSON, so it has one format', {
      code: exitCodes.usage,
      next: ['isobar api without -o'],
    })
  }
}

/** Where the name of a thing stands, the best first. */
const names = ['name', 'site', 'id', 'cursor']

function nameOf(data: unknown): string {
  const fields = new Map(Object.entries(data ?? {}))
  const name = names.map((key) => fields.get(key)).find((value) => typeof value === 'string')
  return name === undefined ? '' : String(name)
}
