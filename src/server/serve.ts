import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { ServerType } from '@hono/node-server'
import type { Logger } from 'pino'

import { StoreProblem } from '#store/embedded/store-problem.ts'
import { openBase, type Base } from './base.ts'
import { lockHome } from './lock.ts'
import type { ServerOptions } from './options.ts'
import { openPlane, startWork } from './plane.ts'
import { listen } from './port.ts'
import { makeHome, writeState } from './state-file.ts'
import { version } from './version.ts'

/** A control plane that is up. */
export type RunningServer = {
  url: string
  token: string
  /**
   * Resolves when it has ended: by `close`, or because somebody asked it to over the API. Fails with a `StoreProblem` when
   * it had to end because a newer version brought its database up to date.
   */
  ended: Promise<void>
  /** Ends it within a few seconds. What runs goes on. A private database goes on too, unless it is to end with it. */
  close(how?: { database?: boolean }): Promise<void>
}

/** How long the first look at the sites may take before people are told of the server all the same. */
const firstLookMs = 1000

/** Time that requests have to end by themselves when the server closes. */
const drainMs = 2000

/** Starts a control plane on a state directory. Throws a `ServerProblem` or `StoreProblem`, which names its fix. */
export async function serve(options: ServerOptions): Promise<RunningServer> {
  const how = { database: true } // a start that fails leaves nothing behind
  const closing = new AbortController()
  const asked = Promise.withResolvers<void>()
  await using stack = new AsyncDisposableStack()
  makeHome(options.home)
  stack.defer(lockHome(options.home))
  const base = await openBase(options, stack, how)
  const plane = openPlane(options, base, { closing: closing.signal, stop: asked.resolve, stack })
  const { server, url } = await listen(options, (request) => plane.api.app.fetch(request))
  server.on('upgrade', (request, socket, head) => void plane.api.upgrade(request, socket, head))
  stack.defer(() => drain(server))
  plane.url = options.advertise ?? url
  await startWork(base, plane, { stack, ...options })
  // Whoever asks at once for sites or offers is to see those that are declared, not none, nor those of last time.
  await Promise.race([plane.loops?.looked, sleep(firstLookMs, undefined, { ref: false })])
  stack.defer(announceFile(options.home, { url, startedAt: base.clock.now() }))
  stack.defer(() => closing.abort())
  base.log.info({ url: plane.url, version, database: base.database }, 'serving')

  how.database = false
  const all = stack.move()
  const ended = Promise.withResolvers<void>()
  let ending: Promise<void> | undefined
  ended.promise.catch(() => {}) // whoever waits for it is told
  const close = ({ database = false } = {}, problem?: StoreProblem) => {
    how.database ||= database
    ending ??= end(all, base.log).finally(() => (problem ? ended.reject(problem) : ended.resolve()))
    return ending
  }
  void asked.promise.then(() => close({ database: true }))
  all.defer(watchSchema(base, (problem) => close({}, problem)))
  return { url: plane.url, token: base.keys.token, ended: ended.promise, close: (given) => close(given) }
}

async function end(all: AsyncDisposableStack, log: Logger): Promise<void> {
  log.info({}, 'ending')
  try {
    await all.disposeAsync()
  } catch (error) {
    log.error({ error }, 'did not end well')
  }
  log.info({}, 'ended')
}

/** Ends this control plane once a newer one has changed what the rows are like: what it wrote might not fit any more. */
function watchSchema({ store, log }: Base, overtaken: (problem: StoreProblem) => void): () => void {
  const look = (): Promise<void> =>
    store.requireSchema().catch((error: unknown) => {
      if (!(error instanceof StoreProblem)) return // it does not answer: once it does again, all is looked at anew
      log.error({ error }, error.message)
      overtaken(error)
    })
  void look() // it may have happened while this one was starting
  return store.onNudge((nudge) => nudge === 'schema' && void look())
}

/** Says where the server is, for the commands of this machine, as long as it is there. */
function announceFile(home: string, facts: { url: string; startedAt: number }): () => void {
  const path = join(home, 'server.json')
  writeState(path, `${JSON.stringify({ pid: process.pid, version, ...facts })}\n`)
  return () => rmSync(path, { force: true })
}

/** Lets requests end, and cuts off those that do not. */
async function drain(server: ServerType): Promise<void> {
  if (!('closeAllConnections' in server)) return
  const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
  // A connection that is kept alive ends only when it is told to, and it may have become idle this moment.
  const idle = setInterval(() => server.closeIdleConnections(), 20)
  const cut = setTimeout(() => server.closeAllConnections(), drainMs)
  await closed
  clearInterval(idle)
  clearTimeout(cut)
}
