import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { readOptions } from '#server/options.ts'
import { serve, type RunningServer } from '#server/serve.ts'

/** A state directory that is gone after the test. */
export function aHome(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'isobar-home-'))
  t.after(() => rmSync(home, { recursive: true, force: true, maxRetries: 40, retryDelay: 50 }))
  return home
}

/** A whole control plane on a state directory and a database, ended after the test. */
export async function aServer(
  t: TestContext,
  options: { home: string; url: string; port?: number },
): Promise<RunningServer> {
  const environment = { ISOBAR_HOME: options.home, DATABASE_URL: options.url, ISOBAR_LOG_LEVEL: 'silent' }
  const server = await serve(readOptions(options.port === undefined ? {} : { port: options.port }, environment))
  t.after(() => server.close())
  return server
}

/** Asks a server, and gives what it answers as JSON, or as text. */
export async function ask(server: RunningServer, request: `${string} /${string}`, body?: unknown) {
  const [method = '', path = ''] = request.split(' ')
  const response = await fetch(server.url + path, {
    method,
    headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') ?? false
  // oxlint-disable-next-line typescript/no-explicit-any
  return { status: response.status, text, json: (isJson ? JSON.parse(text) : null) as any }
}
