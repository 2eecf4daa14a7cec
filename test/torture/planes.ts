import { join } from 'node:path'
import { mkdirSync } from 'node:fs'

import type { Client } from 'pg'

import { startEmbedded } from '#store/embedded/embedded.ts'
import { openVictim, type Victim } from './victim.ts'

export type Planes = {
  planes: [Victim, Victim]
  /** Their database. */
  url: string
  /** Folders of their sites. */
  sites: string[]
  close(): Promise<void>
}

/** Starts two control planes, each with a state directory of its own, on one database, with one key and the same sites. */
export async function openPlanes(scratch: string): Promise<Planes> {
  const database = await startEmbedded(join(scratch, 'database'))
  const sites = ['west', 'east'].map((name) => join(scratch, 'sites', name))
  mkdirSync(join(scratch, 'sites'))
  const open = (name: string) => openPlane({ scratch, name, url: database.url, sites })
  const planes: Planes['planes'] = [await open('a'), await open('b')]
  const close = async () => {
    for (const plane of planes) await plane.close()
    await database.remove()
  }
  for (const plane of planes) plane.start()
  for (const plane of planes)
    if ((await plane.ready(30_000)) === null) {
      await close()
      throw new Error('A control plane did not start')
    }
  return { planes, url: database.url, sites, close }
}

type Opening = { scratch: string; name: string; url: string; sites: string[] }

const openPlane = ({ scratch, name, url, sites }: Opening): Promise<Victim> =>
  openVictim({
    home: join(scratch, name),
    sites: `sites:\n${sites.map((root, i) => `  - { provider: local, name: s${i}, root: ${root}, jurisdictions: [US], price: $3.60/h, patience: 60s, nodes: 16, shape: { cpus: 1, memory: 1GB } }\n`).join('')}`,
    environment: {
      DATABASE_URL: url,
      ISOBAR_KEY_FILE: join(scratch, 'key'),
      ISOBAR_SHARED: join(scratch, 'shared'),
    },
  })

/** What a control plane is known by in the database, and the names of the loops that it has claimed. */
export async function holdingsOf(client: Client, plane: Victim): Promise<{ id: string; names: string[] }> {
  const { id } = await plane.api<{ id: string }>('GET', '/v1/server')
  const { rows } = await client.query<{ name: string }>(
    "select name from claims where holder = $1 and expires_at > clock_timestamp() and name <> 'housekeeping'",
    [id],
  )
  return { id, names: rows.map(({ name }) => name) }
}

/** Whether nothing is claimed by the dead one any more, and the claims that are renewed all the time are the heir's. */
export async function moved(
  client: Client,
  { names, id, heir }: { names: string[]; id: string; heir: string },
): Promise<boolean> {
  const { rows } = await client.query<{ left: number }>(
    `select (select count(*) from claims where holder = $2 and expires_at > clock_timestamp() and name <> 'housekeeping')
          + (select count(*) from unnest($1::text[]) n where (n = 'admit' or n like 'observe:%') and not exists (
               select 1 from claims c where c.name = n and c.holder = $3 and c.expires_at > clock_timestamp()))
          + (select count(*) from operations where claimed_by = $2 and state = 'intended' and claimed_until > clock_timestamp())
          as left`,
    [names, id, heir],
  )
  return Number(rows[0]?.left) === 0
}

/** Whether all agents that run have reported to somebody who lives. */
export async function heard(client: Client, since: number): Promise<boolean> {
  const { rows } = await client.query<{ left: number }>(
    `select count(*) as left from ranks r join leases l on l.id = r.lease
      where l.state = 'held' and r.state in ('arrived', 'running') and r.heard_at <= $1`,
    [since],
  )
  return Number(rows[0]?.left) === 0
}
