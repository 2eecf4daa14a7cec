import { randomBytes } from 'node:crypto'
import { join } from 'node:path'

import type { Logger } from 'pino'

import type { ApiKeys } from '#api/house.ts'
import type { Clock } from '#kit/clock.ts'
import { createIds, type Ids, pooled } from '#kit/ids.ts'
import { createLogArchive, type LogArchive } from '#providers/blobs/archive.ts'
import type { Blobs } from '#providers/blobs/blobs.ts'
import { createDirectoryBlobs } from '#providers/blobs/directory.ts'
import type { Store } from '#store/store.ts'
import { openClock } from './house-clock.ts'
import { keepJoinedSites } from './joined-sites.ts'
import { houseOf, keyPath, openKeys, requireKeyFile, requireSameKey } from './keys.ts'
import { openLog } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { openHouseStore } from './open-store.ts'
import type { ServerOptions } from './options.ts'
import { openProviders, type Providers } from './providers.ts'
import { refuseTwins } from './twins.ts'

/** What the parts of a control plane stand on. */
export type Base = {
  home: string
  /** What all control planes of one database see of each other's files. */
  shared: string
  /** What tells this house from others at providers that they share. */
  house: string
  /** Who this control plane is. */
  id: string
  store: Store
  /** Where the store is, without its password. */
  database: string
  providers: Providers
  blobs: Blobs
  archive: LogArchive
  clock: Clock
  ids: Ids
  keys: ApiKeys
  metrics: Metrics
  log: Logger
}

/** Opens what a control plane stands on; `stack` closes it again. `how.database`: a private database is to end too. */
export async function openBase(
  options: ServerOptions,
  stack: AsyncDisposableStack,
  how: { database: boolean },
): Promise<Base> {
  const { home, shared = home } = options
  const log = openLog({ home, level: options.logLevel, detached: options.detached })
  const clock = openClock(home)
  const ids = createIds(clock.now, pooled(randomBytes))
  const said = (message: string) => log.info({}, message)
  const opened = await openHouseStore({ home, databaseUrl: options.databaseUrl, clock, ids, log: said })
  stack.defer(() => opened.close(how))
  const { store, name: database } = opened
  await requireKeyFile(store.secrets, options.keyFile)
  const keys = openKeys(options)
  await requireSameKey(store.secrets, keys, keyPath(options))
  const metrics = createMetrics({ figures: store.figures, now: clock.now })
  const blobs = createDirectoryBlobs(join(shared, 'blobs'))
  const archive = createLogArchive(blobs)
  const house = houseOf(keys)
  const providers = await openProviders({ home, shared, house, clock, metrics })
  const joined = keepJoinedSites({ store, providers, clock, log })
  stack.defer(() => joined.stop())
  await joined.loaded
  await refuseTwins({ home, providers, log })
  return {
    home,
    shared,
    house,
    id: ids('c'),
    store,
    database,
    providers,
    blobs,
    archive,
    clock,
    ids,
    keys,
    metrics,
    log,
  }
}
