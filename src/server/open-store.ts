import type { Clock } from '#kit/clock.ts'
import type { Ids } from '#kit/ids.ts'
import { startEmbedded } from '#store/embedded/embedded.ts'
import { openStore } from '#store/open.ts'
import type { Store } from '#store/store.ts'
import { version } from './version.ts'

export type OpenedStore = {
  store: Store
  /** Where it is, without its password. */
  name: string
  /** Closes it; a private database goes on running, for the next server, unless it is to end too. */
  close(options: { database: boolean }): Promise<void>
}

type Options = { home: string; databaseUrl: string | undefined; clock: Clock; ids: Ids; log: (message: string) => void }

/** Opens the store at a person's PostgreSQL, or at the private one of the state directory. */
export async function openHouseStore({ home, databaseUrl, clock, ids, log }: Options): Promise<OpenedStore> {
  if (databaseUrl !== undefined) {
    const store = await openStore({ url: databaseUrl, ids, clock, version })
    return { store, name: withoutPassword(databaseUrl), close: () => store.close() }
  }
  const embedded = await startEmbedded(home, { log })
  try {
    const store = await openStore({ url: embedded.url, ids, clock, version })
    return {
      store,
      name: `private PostgreSQL of ${home}`,
      async close({ database }) {
        await store.close()
        if (database) await embedded.stop()
        else embedded.leave()
      },
    }
  } catch (error) {
    embedded.leave()
    throw error
  }
}

/** Without what may hold a password: the part after the user, and parameters. An address of a socket is no URL to Node. */
const withoutPassword = (url: string): string => url.replace(/\?.*$/s, '').replace(/^(\w+:\/\/[^:@/]*):[^@]*@/, '$1@')
