import { readFile } from 'node:fs/promises'

import { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'

import { type Controller, nodesFor, type SlurmNode } from './controller.ts'
import type { Asking, Dialect } from './dialect.ts'
import { accountingOver, type GetIfOffered } from './rest-accounting.ts'
import * as replies from './replies.ts'
import { mapped, type Reply } from './replies.ts'
import { v0_0_38 } from './v0-0-38.ts'
import { v0_0_40_to_45 } from './v0-0-40.ts'

export type RestOptions = Asking & {
  /** Where slurmrestd answers. */
  address: string
  user: string
  token(): Promise<Outcome<string>>
  /** A topology.conf, which slurmrestd does not show. */
  topologyFile?: string | undefined
}

/** The newest first. */
export const dialects: readonly Dialect[] = [...v0_0_40_to_45.toReversed(), v0_0_38]

/** Jobs that are asked for side by side: slurmrestd has few threads. */
const atOnce = 8
const mostBytes = 128 * 1024 * 1024
/** More nodes than this are asked for together, with all the others. */
const mostSingly = 64

/** A cluster by its slurmrestd. */
export function createRest(options: RestOptions): Controller {
  const { ask, getIfOffered } = createAsk(options)
  const get = <T>(path: string, signal: AbortSignal, convert: (reply: Reply) => Outcome<T>) =>
    ask({ of: () => ({ path: `slurm/${path}` }), signal }, convert)
  return {
    submit: (job, signal) =>
      ask(
        {
          of: ({ submission }) => ({ method: 'POST', path: 'slurm/job/submit', body: submission(job, options) }),
          signal,
        },
        replies.submitted,
      ),
    jobs: (ids, signal) =>
      ids.length === 0
        ? get('ping', signal, (reply) => mapped(replies.ping(reply), () => []))
        : inTurns(ids, (id) => get(`job/${id}`, signal, replies.job)),
    named: (name, signal) =>
      ask({ of: ({ allJobsPath }) => ({ path: `slurm/${allJobsPath}` }), signal }, (reply) =>
        mapped(replies.allJobs(reply), (jobs) => jobs.filter((job) => job.name === name)),
      ),
    cancel: (id, signal) =>
      ask({ of: () => ({ method: 'DELETE', path: `slurm/job/${id}` }), signal }, replies.cancelled),
    async partition(signal, only) {
      const path = `partition/${encodeURIComponent(options.partition)}`
      const found = await get(path, signal, replies.partition)
      if (!found.ok) return found
      const { mostMinutes, hosts } = found.value
      const kept = await get('reservations', signal, (reply) => replies.reservations(reply, Date.now()))
      if (!kept.ok) return kept
      const asked = (one: string) => get(one, signal, replies.nodes)
      const few = only !== undefined && only.length <= mostSingly
      const nodes = few
        ? // Of a node that is asked for by its name, 22.05 tells the partitions of the first node of the cluster.
          mapped(await inTurns(only, (name) => asked(`node/${encodeURIComponent(name)}`)), (all) =>
            all.map((one) => one.map((node) => withPartition(node, options.partition, hosts))),
          )
        : mapped(await asked('nodes'), (all) => [all])
      return mapped(nodes, (all) => ({ nodes: nodesFor(options, all.flat(), kept.value), mostMinutes }))
    },
    topology: () => topologyIn(options.topologyFile),
    ...accountingOver(options, getIfOffered),
  }
}

const withPartition = (node: SlurmNode, partition: string, hosts: readonly string[]): SlurmNode =>
  hosts.includes(node.name) ? { ...node, partitions: [...node.partitions, partition] } : node

/** What slurmrestd speaks, and what it offers in it: `slurm/job`, `slurmdb/qos`. */
type Spoken = { dialect: Dialect; offered: ReadonlySet<string> }

/** Asks slurmrestd in the version of its API that is found out when it is first needed. */
function createAsk(options: RestOptions): { ask: Ask; getIfOffered: GetIfOffered } {
  let spoken: Spoken | undefined
  const send = async (path: string, { method = 'GET', body, signal }: Omit<Question, 'path'>) => {
    const token = await options.token()
    if (!token.ok) return token
    const headers = { 'x-slurm-user-name': options.user, 'x-slurm-user-token': token.value }
    return call(new URL(path, options.address), { method, headers, redirect: 'error', signal }, body)
  }
  const speak = async (signal: AbortSignal): Promise<Outcome<Spoken>> => {
    if (spoken) return succeed(spoken)
    const reply = await send('/openapi/v3', { signal })
    const found = reply.ok ? newestKnown(reply.value) : reply
    if (found.ok) spoken = found.value
    return found
  }
  const ask: Ask = async ({ of, signal }, convert) => {
    const found = await speak(signal)
    if (!found.ok) return found
    const { dialect } = found.value
    const { path, ...rest } = of(dialect)
    const reply = await send(`/${path.replace('/', `/${dialect.version}/`)}`, { ...rest, signal })
    if (!reply.ok) return reply
    // No such path: another version of Slurm runs there now, and does not speak this any more.
    if (reply.value.status === 404 && typeof reply.value.body !== 'object') spoken = undefined
    return convert(reply.value)
  }
  return {
    ask,
    async getIfOffered(path, signal, convert) {
      const found = await speak(signal)
      if (!found.ok) return found
      const [plugin, thing] = path.split(/[/?]/)
      if (!found.value.offered.has(`${plugin}/${thing}`)) return succeed(null)
      return ask({ of: () => ({ path }), signal }, convert)
    },
  }
}

/** What a topology.conf says; nothing where none is named. */
export async function topologyIn(path: string | undefined): Promise<Outcome<string>> {
  if (path === undefined) return succeed('')
  try {
    return succeed(await readFile(path, 'utf8'))
  } catch (error) {
    return fail('invalid', 'elsewhere', `the topology cannot be read: ${explain(error)}`)
  }
}

const Specification = z.object({ paths: z.record(z.string(), z.unknown()) })

/** The newest version that slurmrestd offers and we know, with what there is in it. */
function newestKnown({ status, body }: Reply): Outcome<Spoken> {
  const found = Specification.safeParse(body)
  if (status !== 200 || !found.success)
    return fail('unreachable', 'later', `slurmrestd does not say what it speaks: it answered with status ${status}`)
  const paths = Object.keys(found.data.paths).map((path) => path.split('/'))
  const offered = new Set(paths.flatMap(([, plugin, version]) => (plugin === 'slurm' ? (version ?? []) : [])))
  const dialect = dialects.find(({ version }) => offered.has(version))
  if (dialect) {
    const its = paths.filter(([, , version]) => version === dialect.version)
    return succeed({ dialect, offered: new Set(its.map(([, plugin, , thing]) => `${plugin}/${thing}`)) })
  }
  const known = `${dialects.at(-1)?.version} to ${dialects[0]?.version}`
  return fail(
    'invalid',
    'elsewhere',
    `slurmrestd speaks ${[...offered].join(', ') || 'nothing of slurmctld'}, and we ${known}`,
  )
}

type Question = { method?: string; path: string; body?: unknown; signal: AbortSignal }
type Ask = <T>(
  question: { of: (dialect: Dialect) => Omit<Question, 'signal'>; signal: AbortSignal },
  convert: (reply: Reply) => Outcome<T>,
) => Promise<Outcome<T>>

/** Asks for each, some at a time. One that has no answer leaves all of them without. */
async function inTurns<T, U>(all: readonly T[], ask: (one: T) => Promise<Outcome<U | null>>): Promise<Outcome<U[]>> {
  const found: U[] = []
  for (let at = 0; at < all.length; at += atOnce) {
    for (const answer of await Promise.all(all.slice(at, at + atOnce).map(ask))) {
      if (!answer.ok) return answer
      if (answer.value !== null) found.push(answer.value)
    }
  }
  return succeed(found)
}

async function call(url: URL, request: RequestInit, body: unknown): Promise<Outcome<Reply>> {
  try {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) }
    const headers = { ...request.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    const response = await fetch(url, { ...request, headers, ...sent })
    return succeed({ status: response.status, body: await readJson(response) })
  } catch (error) {
    return fail('unreachable', 'later', `${url.origin}: ${explain(error)}`)
  }
}

/** What the body says; a text that is no JSON is what an error page says. */
async function readJson(response: Response): Promise<unknown> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.length
    if (bytes > mostBytes) throw new Error(`the answer is larger than ${mostBytes} bytes`)
    parts.push(part)
  }
  const text = Buffer.concat(parts).toString('utf8')
  try {
    return JSON.parse(text)
  } catch {
    return text.slice(0, 500)
  }
}

/** An error with what caused it, in one line. */
const explain = (error: unknown): string =>
  error instanceof Error ? [error.message, ...(error.cause ? [explain(error.cause)] : [])].join(': ') : String(error)
