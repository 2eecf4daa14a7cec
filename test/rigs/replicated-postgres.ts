import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { Client } from 'pg'

import { type Embedded, startAt } from '#store/embedded/embedded.ts'
import { type Place, placeAt } from '#store/embedded/place.ts'
import { childrenOf } from './processes.ts'

/** A PostgreSQL and its synchronous standby, as someone who must not lose a committed row has them. */
export type ReplicatedPostgres = {
  /** Where the primary is now. */
  url(): string
  /** Kills all processes of the primary at once, as a machine that dies, and promotes the standby; it has none then. */
  failOver(): Promise<void>
  /** Gives the primary a new standby, and returns once no commit is answered that the standby does not have. */
  renew(): Promise<void>
  close(): Promise<void>
}

type Server = { place: Place; server: Embedded }

const settings = {
  wal_level: 'replica',
  max_wal_senders: '4',
  wal_keep_size: '256MB',
  // A standby that is away is noticed by the end of its connection.
  wal_receiver_timeout: '5s',
}

/** Below `folder`, which PostgreSQL's own account must be able to pass. */
export async function openReplicatedPostgres(folder: string): Promise<ReplicatedPostgres> {
  let made = 0
  const freshPlace = (): Place => placeAt(join(folder, `pg${made++}`))
  let primary = await start(freshPlace())
  let standby: Server | null = null
  return {
    url: () => primary.server.url,
    async failOver() {
      if (!standby) throw new Error('there is no standby')
      killWhole(primary.server.pid())
      await ask(standby.server.url, 'select pg_promote(true, 30)')
      rmSync(primary.place.home, { recursive: true, force: true })
      primary = standby
      standby = null
    },
    async renew() {
      standby = await startStandby(primary, freshPlace())
      await ask(primary.server.url, "alter system set synchronous_standby_names = '*'")
      await ask(primary.server.url, 'select pg_reload_conf()')
      const inStep = "select 1 from pg_stat_replication where state = 'streaming' and sync_state = 'sync'"
      for (const until = performance.now() + 30_000; (await ask(primary.server.url, inStep)).length === 0;) {
        if (performance.now() > until) throw new Error('the standby did not come into step within 30 s')
        await sleep(20)
      }
    },
    async close() {
      for (const one of [standby, primary]) await one?.server.remove()
    },
  }
}

/** Starts a server that nobody watches over: when it dies, it is dead. */
async function start(place: Place, more: Record<string, string> = {}): Promise<Server> {
  const server = await startAt(place, { settings: { ...settings, ...more } })
  server.leave()
  return { place, server }
}

/** A copy of the primary's files while it runs, which then follows it. */
async function startStandby({ place: from, server }: Server, place: Place): Promise<Server> {
  const client = new Client({ connectionString: server.url })
  await client.connect()
  try {
    await client.query("select pg_backup_start('standby', true)")
    // A file may go while it is copied; what is missing or half comes with the log.
    execFileSync('sh', ['-c', 'cp -Rp "$0" "$1" 2>&1 || true', from.data, place.data])
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)')
    for (const name of ['postmaster.pid', 'postmaster.opts', 'pg_wal', 'pg_replslot'])
      rmSync(join(place.data, name), { recursive: true, force: true })
    const files = { backup_label: rows[0]?.labelfile ?? '', 'standby.signal': '', 'postgresql.auto.conf': '' }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(place.data, name), text)
    for (const name of ['pg_wal', 'pg_replslot']) mkdirSync(join(place.data, name), { mode: 0o700 })
    const { account } = place
    if (account) execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, place.data])
  } finally {
    await client.end()
  }
  return start(place, { primary_conninfo: `host=${from.socket} user=isobar application_name=standby` })
}

/** Stops all processes first, so that none of them answers anybody while the others die. */
function killWhole(postmaster: number): void {
  const all = [postmaster, ...childrenOf(postmaster)]
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const)
    for (const pid of all)
      try {
        process.kill(pid, signal)
      } catch {
        // gone by itself
      }
}

async function ask(connectionString: string, text: string): Promise<object[]> {
  const client = new Client({ connectionString })
  client.on('error', () => {}) // the query that meets it fails, that is enough
  await client.connect()
  try {
    return (await client.query<object>(text)).rows
  } finally {
    await client.end()
  }
}
