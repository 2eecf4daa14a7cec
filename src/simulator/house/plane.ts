import { createApi } from '#api/app.ts'
import { createBell } from '#api/bell.ts'
import type { ApiHouse, ApiKeys } from '#api/house.ts'
import type { Clock } from '#kit/clock.ts'
import { createIds } from '#kit/ids.ts'
import { createRandom } from '#kit/random.ts'
import { credentialOf } from '#kit/seal.ts'
import type { Blobs } from '#providers/blobs/blobs.ts'
import { createLogArchive } from '#providers/blobs/archive.ts'
import { decorate } from '#providers/decorate/decorate.ts'
import type { Provider } from '#providers/provider.ts'
import { startLoops } from '#reconcilers/run.ts'
import { announce, type Peers } from '#server/announce.ts'
import { keepHouse } from '#server/housekeeping.ts'
import { reconcilers } from '#server/loops.ts'
import { keepPlan } from '#server/market/keep-plan.ts'
import type { Solver } from '#server/market/solver.ts'
import type { Store } from '#store/store.ts'
import { type Life, planeOf } from './life.ts'

/** What simulated processes share. */
export type Ground = {
  seed: string
  /** How often a process tidies up, and how long what has ended is kept. */
  keeps: { everyMs: number; keepMs: number }
  /** So many may be moved in an hour. */
  movesPerHour: number
  /** Of the plan over sites; null where none is made. */
  solver: Solver | null
  keys: ApiKeys
  blobs: Blobs
  /** The store and the providers as a process has them: every call is one of its life. */
  storeOf(life: Life): Store
  providersOf(life: Life): Provider[]
  /** What a process reports as wrong. */
  wrong(plane: string, what: string, error: unknown): void
}

/** A control plane as a process of its own: the loops, the API, and what goes on beside them. */
export type Plane = {
  /** Which of the planes it is, and which process of that: `a/2` is the second. */
  readonly id: string
  readonly url: string
  readonly life: Life
  /** Answers a request, unless the process stands still or dies meanwhile; then the promise never settles. */
  fetch(path: string, init?: RequestInit): Promise<Response>
  notReady(): string[]
  /** Ends it in order, as a person would. */
  stop(): Promise<void>
}

const dayMs = 24 * 3_600_000

/** Starts a control plane over the store. Nothing is left of an earlier process but its rows. */
export async function startPlane(life: Life, ground: Ground): Promise<Plane> {
  const { clock, name } = life
  const { keys, blobs, solver, movesPerHour } = ground
  // Each process of a control plane is where the one before it was: agents know that address and no other.
  const url = `http://${planeOf(life)}.house`
  const random = createRandom(`${ground.seed} ${name}`)
  const ids = createIds(clock.now, random.bytes)
  const store = ground.storeOf(life)
  const id = ids('c')
  const wrong = (what: string) => (error: unknown) => ground.wrong(name, what, error)
  const decorated = () => decoratedOf(ground.providersOf(life), clock, random.next)
  const closing = new AbortController()
  const bell = createBell(store, clock)
  const archive = createLogArchive(blobs)
  const peers: Peers = { list: () => [{ id, url }], stop: () => Promise.resolve() }
  const log = logOf(life, ground)
  const shared = { store, clock, ids, archive, log, blobs, keys, movesPerHour, surroundings: nowhere(clock) }
  const self = selfOf({ id, url, since: clock.now(), controlPlanes: () => peers.list() })
  const keeper = solver && keepPlan({ store, clock, solver, failed: wrong('could not plan over sites') })
  const steering = keeper === null ? {} : { steering: keeper }
  const answers = { providers: decorated(), bell, self, closing: closing.signal, count: uncounted }
  const api = createApi({ ...shared, ...steering, ...answers })
  const started: { loops?: ReturnType<typeof startLoops> } = {}
  const heard = await announce(
    { id, url },
    {
      store,
      clock,
      failed: wrong('could not announce'),
      changed: () => api.tellAddresses(),
      keepClaims: (keep) => started.loops?.keepClaims(keep) ?? keep([]),
    },
  )
  Object.assign(peers, heard)
  const own = {
    controlPlanes: () => peers.list().map((one) => one.url),
    credential: (token: string) => credentialOf(keys.credentials, token),
    checkpoints: checkpointsOf,
    ...checkedIn(name, ground),
  }
  const house = { ...shared, ...own, providers: decorated(), holder: id, ...steering }
  const loops = startLoops(reconcilers, house, log)
  started.loops = loops
  const housekeeping = keepHouse({ ...shared, ...keepingOf(ground), holder: id, failed: wrong('could not tidy up') })
  return {
    id: name,
    url,
    life,
    fetch: (path, init) => life.doing(`api.${init?.method ?? 'GET'}`, async () => api.app.request(url + path, init)),
    notReady: () => loops.notReady(),
    async stop() {
      closing.abort()
      await housekeeping.stop()
      await loops.stop()
      await keeper?.stop()
      await peers.stop()
      api.close()
      bell.close()
    },
  }
}

const keepingOf = ({ keeps: { everyMs, keepMs } }: Ground) => ({
  shared: '/nowhere',
  // What waits for a real disk is over at another instant each time.
  remove: () => Promise.resolve(),
  keepDays: keepMs / dayMs,
  everyMs,
})

/** As in a server: with time-outs, and sites that do not answer left alone for a while. */
const decoratedOf = (providers: Provider[], clock: Clock, random: () => number): Map<string, Provider> =>
  new Map(providers.map((one) => [one.name, decorate(one, { clock, random, record: () => {} })]))

/** Every round of placement is held against its checker. */
const checkedIn = (name: string, { wrong }: Ground) => ({
  checksEvery: 1,
  checked(violations: number) {
    if (violations > 0) wrong(name, `the checker of placement refused ${violations} decisions`, null)
  },
})

const logOf = ({ name }: Life, { wrong }: Ground) => ({
  info: () => {},
  error: (facts: object, message: string) => wrong(name, message, 'error' in facts ? facts.error : facts),
})

const uncounted: ApiHouse['count'] = { request: () => {}, text: () => Promise.resolve('') }

type Self = { id: string; url: string; since: number; controlPlanes: () => { id: string; url: string }[] }

const selfOf = ({ id, url, since, controlPlanes }: Self): ApiHouse['self'] => ({
  id,
  version: '0.0.0',
  since,
  user: 'someone',
  tokenFile: null,
  loopback: false,
  database: 'simulated',
  url: () => url,
  controlPlanes,
  checkpoints: checkpointsOf,
  doctor: () => Promise.resolve([]),
  notReady: () => Promise.resolve([]),
  stop: () => {},
})

const checkpointsOf = (workload: string): string => `/nowhere/checkpoints/${workload}`

/** Nobody joins a site in a simulated house. */
const nowhere = (clock: Clock) => ({ clock, home: '/nowhere', shared: '/nowhere', house: 'simulated' })
