import { fail, type Outcome, succeed } from '#model/fault.ts'

import type { Controller } from './controller.ts'
import type { Asking, Dialect, Reply } from './dialect.ts'

export type RestOptions = Asking & {
  /** Where slurmrestd answers. */
  address: string
  user: string
  token(): Promise<Outcome<string>>
  dialect: Dialect
}

/** Jobs that are asked for side by side: slurmrestd has few threads. */
const atOnce = 8
const mostBytes = 128 * 1024 * 1024

/** A cluster by its slurmrestd. */
export function createRest(options: RestOptions): Controller {
  const { dialect, partition } = options
  const ask: Ask = async ({ method = 'GET', path, body, signal }, convert) => {
    const token = await options.token()
    if (!token.ok) return token
    const url = new URL(`/slurm/${dialect.version}/${path}`, options.address)
    const headers = { 'x-slurm-user-name': options.user, 'x-slurm-user-token': token.value }
    const reply = await call(url, { method, headers, redirect: 'error', signal }, body)
    return reply.ok ? convert(reply.value) : reply
  }
  return {
    submit: (job, signal) =>
      ask({ method: 'POST', path: 'job/submit', body: dialect.submission(job, options), signal }, dialect.submitted),
    jobs: (ids, signal) =>
      ids.length === 0
        ? ask({ path: 'ping', signal }, (reply) => then(dialect.ping(reply), () => []))
        : inTurns(ids, (id) => ask({ path: `job/${id}`, signal }, dialect.job)),
    named: (name, signal) =>
      ask({ path: 'jobs', signal }, (reply) =>
        then(dialect.allJobs(reply), (jobs) => jobs.filter((job) => job.name === name)),
      ),
    cancel: (id, signal) => ask({ method: 'DELETE', path: `job/${id}`, signal }, dialect.cancelled),
    async partition(signal) {
      const path = `partition/${encodeURIComponent(partition)}`
      const limit = await ask({ path, signal }, dialect.mostMinutes)
      if (!limit.ok) return limit
      const nodes = await ask({ path: 'nodes', signal }, (reply) => dialect.nodes(reply, partition))
      return then(nodes, (groups) => ({ groups, mostMinutes: limit.value }))
    },
  }
}

type Question = { method?: string; path: string; body?: unknown; signal: AbortSignal }
type Ask = <T>(question: Question, convert: (reply: Reply) => Outcome<T>) => Promise<Outcome<T>>

const then = <T, U>(outcome: Outcome<T>, convert: (value: T) => U): Outcome<U> =>
  outcome.ok ? succeed(convert(outcome.value)) : outcome

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
