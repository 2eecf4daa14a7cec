import { userInfo } from 'node:os'
import { join } from 'node:path'

import { createApi } from '#api/app.ts'
import { createBell } from '#api/bell.ts'
import type { ApiHouse } from '#api/house.ts'
import type { Store } from '#store/store.ts'
import { announce, type Peers } from './announce.ts'
import type { Base } from './base.ts'
import { examine } from './doctor.ts'
import { keepHouse } from './housekeeping.ts'
import { tokenPath } from './keys.ts'
import { startLoops, type Loops } from './loops.ts'
import { keepPlan, type PlanKeeper } from './market/keep-plan.ts'
import { createSolver } from './market/solver.ts'
import { isLoopback, type ServerOptions } from './options.ts'
import { programsOf } from './programs.ts'
import { version } from './version.ts'

/** The parts of a control plane that know of each other: its API, its address, its peers and its loops. */
export type Plane = {
  api: ReturnType<typeof createApi>
  url: string
  peers: Peers | null
  loops: Loops | null
  keeper: PlanKeeper | null
}

/** Makes the API. It may answer as soon as the address is known. */
export function openPlane(
  options: ServerOptions,
  base: Base,
  { closing, stop, stack }: { closing: AbortSignal; stop: () => void; stack: AsyncDisposableStack },
): Plane {
  const { home, store, clock, metrics, ...rest } = base
  const bell = createBell(store, clock)
  stack.defer(() => bell.close())
  const self: ApiHouse['self'] = {
    id: base.id,
    version,
    since: clock.now(),
    user: userName(),
    tokenFile: options.token === undefined ? tokenPath(home) : null,
    loopback: isLoopback(options.host),
    database: base.database,
    url: () => plane.url,
    controlPlanes: () => controlPlanes(base, plane),
    checkpoints: checkpointsOf(base),
    doctor: () => examine({ home, store, clock }),
    notReady: async () => [...(plane.loops?.notReady() ?? ['the loops have not started']), ...(await trouble(store))],
    stop,
  }
  const api = createApi({
    ...rest,
    providers: base.providers.reading,
    surroundings: { clock, home, shared: base.shared, house: base.house },
    store,
    clock,
    bell,
    closing,
    count: metrics,
    self,
    steering: { plan: () => plane.keeper?.plan() },
    movesPerHour: options.movesPerHour,
  })
  stack.defer(() => api.close())
  const plane: Plane = { api, url: '', peers: null, loops: null, keeper: null }
  return plane
}

/** Begins to act: other control planes hear of this one, and its loops run. */
export async function startWork(
  base: Base,
  plane: Plane,
  { stack, keepDays, movesPerHour }: Pick<ServerOptions, 'keepDays' | 'movesPerHour'> & { stack: AsyncDisposableStack },
): Promise<void> {
  const { id, store, clock, log } = base
  const failed = (what: string) => (error: unknown) => log.error({ error }, what)
  const peers = await announce(
    { id, url: plane.url },
    {
      store,
      clock,
      failed: failed('could not announce'),
      changed: () => plane.api.tellAddresses(),
      keepClaims: (keep) => plane.loops?.keepClaims(keep) ?? keep([]),
    },
  )
  stack.defer(() => peers.stop())
  plane.peers = peers
  const addresses = () => controlPlanes(base, plane).map(({ url }) => url)
  const keeper = keepPlan({ store, clock, solver: createSolver(), failed: failed('could not plan over sites') })
  stack.defer(() => keeper.stop())
  plane.keeper = keeper
  const checkpoints = checkpointsOf(base)
  const programs = programsOf({ ...base, providers: base.providers.acting, checkpoints })
  const loops = startLoops(base, { controlPlanes: addresses, steering: keeper, movesPerHour, checkpoints, programs })
  stack.defer(() => loops.stop())
  plane.loops = loops
  const housekeeping = keepHouse({ ...base, keepDays, holder: id, failed: failed('could not tidy up') })
  stack.defer(() => housekeeping.stop())
}

/** This one first. */
const controlPlanes = ({ id }: Base, { url, peers }: Plane): { id: string; url: string }[] =>
  peers?.list() ?? [{ id, url }]

/** Where the folder of a workload's checkpoints is, if its spec names none. */
const checkpointsOf =
  ({ shared }: Base) =>
  (workload: string): string =>
    join(shared, 'checkpoints', workload)

async function trouble(store: Store): Promise<string[]> {
  try {
    await store.projects.list()
    return []
  } catch {
    return ['the database does not answer']
  }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? 'someone')
  }
}
