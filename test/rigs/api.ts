import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createAdaptorServer } from '@hono/node-server'

import { createApi } from '#api/app.ts'
import { asksForTunnel } from '#api/tunnel.ts'
import { createBell } from '#api/bell.ts'
import type { ApiHouse } from '#api/house.ts'
import { createClock } from '#kit/clock.ts'
import { credentialOf, deriveKey } from '#kit/seal.ts'
import { createLogArchive } from '#providers/blobs/archive.ts'
import { createDirectoryBlobs } from '#providers/blobs/directory.ts'
import type { Store } from '#store/store.ts'
import { aStore, someIds } from './postgres.ts'

export type Answer = { status: number; headers: Headers; text: string; json: any } // oxlint-disable-line no-explicit-any

export type TestApi = AsyncDisposable & {
  url: string
  house: ApiHouse
  /** What was logged as a fault of ours. */
  faults: string[]
  /** As when another control plane was heard of. */
  tellAddresses(): void
  credential(lease: string): string
  fetch(path: string, init?: RequestInit): Promise<Response>
  call(request: `${string} /${string}`, body?: unknown, headers?: Record<string, string>): Promise<Answer>
}

/** The API over HTTP on a store of its own, without loops: what happens there, a test does itself. */
export async function anApi(more: Partial<ApiHouse> = {}): Promise<TestApi> {
  const store = await aStore()
  const home = mkdtempSync(join(tmpdir(), 'isobar-api-'))
  const closing = new AbortController()
  const faults: string[] = []
  const house = { ...aHouse({ store, home, closing: closing.signal, url: () => url, faults }), ...more }
  let url = ''
  const { keys, bell } = house
  const api = createApi(house)
  const serverOptions = { shouldUpgradeCallback: asksForTunnel }
  const server = createAdaptorServer({ fetch: api.app.fetch, serverOptions })
  server.on('upgrade', (request, socket, head) => void api.upgrade(request, socket, head))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`

  const ask: TestApi['fetch'] = (path, init = {}) =>
    fetch(url + path, { ...init, headers: { authorization: `Bearer ${keys.token}`, ...init.headers } })
  return {
    url,
    house,
    faults,
    tellAddresses: api.tellAddresses,
    credential: (lease) => credentialOf(keys.credentials, lease),
    fetch: ask,
    async call(request, body, headers = {}) {
      const [method = '', path = ''] = request.split(/ (.*)/s)
      const response = await ask(path, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      const isJson = response.headers.get('content-type')?.includes('json') ?? false
      return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : null }
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      api.close()
      bell.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await new Promise<void>((resolve) => void server.close(() => resolve()))
      await store.close()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

type HouseFacts = { store: Store; home: string; closing: AbortSignal; url: () => string; faults: string[] }

function aHouse({ store, home, closing, url, faults }: HouseFacts): ApiHouse {
  const blobs = createDirectoryBlobs(join(home, 'blobs'))
  const key = randomBytes(32)
  const clock = createClock()
  return {
    store,
    providers: new Map(),
    surroundings: { clock, home, shared: home, house: 'test' },
    blobs,
    archive: createLogArchive(blobs),
    clock,
    ids: someIds,
    bell: createBell(store, clock),
    keys: {
      token: randomBytes(32).toString('hex'),
      secrets: deriveKey(key, 'secrets'),
      credentials: deriveKey(key, 'credentials'),
      bundles: deriveKey(key, 'bundles'),
    },
    self: {
      id: 'c-test',
      version: '0.0.0',
      since: 0,
      user: 'tester',
      tokenFile: join(home, 'token'),
      loopback: true,
      database: 'test',
      url,
      controlPlanes: () => [{ id: 'c-test', url: url() }],
      checkpoints: (workload) => join(home, 'checkpoints', workload),
      doctor: async () => [],
      notReady: async () => [],
      stop: () => {},
    },
    log: {
      info: () => {},
      error: (facts, message) => faults.push(`${message} ${JSON.stringify(facts, inspectError)}`),
    },
    count: { request: () => {}, text: async () => '' },
    closing,
  }
}

const inspectError = (_key: string, value: unknown): unknown =>
  value instanceof Error ? { message: value.message, stack: value.stack } : value

/** A spec file of one job. */
export const jobText = (name = 'hi', more = ''): string => `kind: job\nname: ${name}\nrun: echo hi\n${more}`
