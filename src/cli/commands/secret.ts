import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

import type { SecretList } from '#api/views.ts'
import { askSecret } from '#cli/ask-secret.ts'
import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { canAsk, note, plain, readStdin } from '#cli/io.ts'
import { showList, showOne } from '#cli/output/show.ts'

const mostBytes = 64 * 1024

/** `isobar secret set`: the value from a file, standard input or a person's keys, never from an argument. */
export async function set(call: Call): Promise<void> {
  const [name = ''] = call.args
  const value = await valueOf(call, name)
  if (value.length === 0 || value.length > mostBytes)
    throw new CliFault(value.length === 0 ? 'the secret is empty' : `the secret is larger than ${mostBytes} bytes`, {
      code: exitCodes.usage,
      next: [`isobar secret set ${name} --file <path>`],
    })
  const api = await call.api()
  const headers = { 'content-type': 'application/octet-stream' }
  const response = await api.open('PUT', path(name), { headers, body: value, query: { project: call.text('project') } })
  response.resume()
  await showName(call, name)
  note(call.io, `${name} is kept. next: name it under "secrets" in a spec`)
}

/** One line break at the end is not part of a secret: editors and echo add it. */
async function valueOf(call: Call, name: string): Promise<Buffer> {
  const bytes = await rawValue(call, name)
  if (bytes.at(-1) !== 10) return bytes
  return bytes.subarray(0, bytes.at(-2) === 13 ? -2 : -1)
}

async function rawValue(call: Call, name: string): Promise<Buffer> {
  const file = call.text('file')
  try {
    if (file !== undefined) return readFileSync(resolve(call.io.cwd, file))
    if (!call.io.tty.stdin) return await readStdin(call.io, mostBytes + 2)
  } catch (error) {
    throw new CliFault(`the value of ${name} cannot be read`, {
      code: exitCodes.usage,
      why: error instanceof Error ? error.message : String(error),
      next: [`isobar secret set ${name} --file <path>`],
    })
  }
  if (canAsk(call.io)) return askedFor(call, name)
  throw new CliFault(`the value of ${name} is missing`, {
    code: exitCodes.usage,
    why: 'It comes from standard input or a file, so that it stands in no list of processes and no history.',
    next: [`isobar secret set ${name} --file <path>`],
  })
}

async function askedFor({ io }: Call, name: string): Promise<Buffer> {
  const lines = await askSecret(io, `${plain(name)} (it is not shown): `)
  if (lines === undefined) throw new CliFault('nothing was kept', { code: exitCodes.interrupted })
  if (lines.length === 1) return Buffer.from(lines.join())
  throw new CliFault('more than one line was given, and nothing was kept', {
    code: exitCodes.usage,
    why: 'A terminal asks for one line.',
    next: [`isobar secret set ${name} --file <path>`],
  })
}

/** `isobar secret list` */
export async function list(call: Call): Promise<void> {
  const api = await call.api()
  const answer = await api.get<SecretList>('/v1/secrets', { project: call.text('project') })
  await showList(call, {
    data: answer,
    items: answer.items,
    columns: [
      { title: 'NAME', cell: ({ name }) => name },
      { title: 'PROJECT', cell: ({ project }) => project },
      { title: 'CHANGED', cell: ({ updatedAt }) => updatedAt },
    ],
    name: ({ name }) => name,
    empty: 'There are no secrets. next: isobar secret set NAME',
  })
}

/** `isobar secret rm` */
export async function remove(call: Call): Promise<void> {
  const [name = ''] = call.args
  const api = await call.api()
  const response = await api.open('DELETE', path(name), { query: { project: call.text('project') } })
  response.resume()
  await showName(call, name)
  note(call.io, `${name} is forgotten`)
}

const showName = (call: Call, name: string): Promise<void> =>
  showOne(call, { data: { name, project: call.text('project') ?? 'default' }, name: () => name, people: () => '' })

const path = (name: string): string => `/v1/secrets/${encodeURIComponent(name)}`
