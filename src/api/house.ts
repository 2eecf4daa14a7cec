import type { Duplex } from 'node:stream'

import type { Clock } from '#kit/clock.ts'
import type { Ids } from '#kit/ids.ts'
import type { SteeringPlan } from '#engine/market/steer.ts'
import type { LogArchive } from '#providers/blobs/archive.ts'
import type { Blobs } from '#providers/blobs/blobs.ts'
import type { Provider } from '#providers/provider.ts'
import type { Surroundings } from '#providers/registry.ts'
import type { Store } from '#store/store.ts'
import type { Bell } from './bell.ts'
import type { CheckView } from './server-views.ts'

/** What every route is given. */
export type ApiHouse = {
  store: Store
  providers: Map<string, Provider>
  /** For looking at sites that are not joined yet. */
  surroundings: Surroundings
  blobs: Blobs
  /** Logs of ended attempts. */
  archive: LogArchive
  clock: Clock
  ids: Ids
  bell: Bell
  keys: ApiKeys
  self: ApiServer
  log: ApiLog
  count: ApiCounts
  /** The plan over aggregates, where there is one. */
  steering?: { plan(): SteeringPlan | undefined }
  /** So many may be moved in an hour so that a domain is whole again for somebody; nobody when absent. */
  movesPerHour?: number
  /** Aborts when the server closes: every stream and long poll ends. */
  closing: AbortSignal
}

/** What the server proves things with, derived from the house's key; and the token that people show. */
export type ApiKeys = { token: string; secrets: Uint8Array; credentials: Uint8Array; bundles: Uint8Array }

/** What the API tells about the server that it is part of, and asks of it. */
type ApiServer = {
  id: string
  version: string
  since: number
  /** Whose requests these are: there is one token, of the user who started the server. */
  user: string
  /** Where its token is for people of its machine; null where it was started with one of their own. */
  tokenFile: string | null
  /** Only names of this machine are accepted as Host, against DNS rebinding. */
  loopback: boolean
  /** Where the store is, without its password. */
  database: string
  url(): string
  controlPlanes(): { id: string; url: string }[]
  /** Folder for the checkpoints of a workload that names none. */
  checkpoints(workload: string): string
  doctor(): Promise<CheckView[]>
  /** What is not ready yet, in words; nothing when all is. */
  notReady(): Promise<string[]>
  /** Ends the server soon, after this answer. */
  stop(): void
}

export type ApiLog = {
  info(facts: object, message: string): void
  error(facts: object, message: string): void
}

/** Where figures go. */
export type ApiCounts = {
  request(facts: { method: string; route: string; status: number; seconds: number }): void
  /** All figures in Prometheus' text format. */
  text(): Promise<string>
}

/** What a request carries along. */
export type ApiEnv = {
  Variables: { requestId: string }
  /** Of a request whose connection may become a tunnel: how many are open, with it, and what takes the other end. */
  Bindings: { tunnel?: { open: number; carry(far: Duplex): void } }
}
