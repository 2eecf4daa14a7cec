import { Client } from 'pg'

import { aHouseThatAdmits } from '#rigs/admission.ts'
import { admit } from '#reconcilers/admit.ts'
import { aStore, someIds, withPostgres } from '#rigs/postgres.ts'
import { aJob, aSite, someNodes } from '#test/builders.ts'

/**
 * All of it, and how much of it was reading and committing; the rest is deciding. The bound is what PostgreSQL needs to
 * write the same rows once more, from itself, in one transaction.
 */
export type Durable = { placed: number; ms: number; turns: number; readMs: number; commitMs: number; boundMs: number }

/**
 * Jobs of whole nodes with 8 GPUs (the nodes of each) on one site, as the control plane decides them: read from
 * PostgreSQL, decided with every reason, and committed with attempts, leases, ranks, plans and launch operations. Both
 * wait for the disk, as in production. `fanOut` nodes share a leaf, as many leaves a spine.
 */
export async function decideDurably(
  jobs: number[],
  { nodes, fanOut }: { nodes: number; fanOut: number },
): Promise<Durable> {
  await withPostgres({ durable: true })
  await using store = await aStore()
  const spent = { read: 0, commit: 0 }
  const timed =
    <Given extends unknown[], T>(what: keyof typeof spent, act: (...given: Given) => Promise<T>) =>
    async (...given: Given): Promise<T> => {
      const start = performance.now()
      return act(...given).finally(() => (spent[what] += performance.now() - start))
    }
  const { placement } = store
  const watched = { snapshot: timed('read', placement.snapshot), commit: timed('commit', placement.commit) }
  const house = aHouseThatAdmits({ ...store, placement: { ...placement, ...watched } })
  const { clock } = house
  const words = { gpus: 8, gpu: 'H100', cpus: 96, memoryGB: 1000 }
  const site = aSite({
    nodes: someNodes(nodes, words, [fanOut, fanOut ** 2]),
    offers: [{ ...words, divisible: false }],
  })
  await store.sites.put(site.info, clock.now())
  await store.sites.offered(site.site, site.offers, site.nodes, clock.now())
  const workloads = jobs.map((ranks, i) => ({
    ...aJob({ name: `j${i}`, nodes: ranks, resources: { accelerators: 'H100:8' } }),
    id: someIds('w'),
  }))
  for (let i = 0; i < workloads.length; i += 500)
    await store.workloads.submit(workloads.slice(i, i + 500), clock.now() + i)
  const begun = performance.now()
  let turns = 0
  const { signal } = new AbortController()
  for (let more = true; more; turns++) more = (await admit.turn(house, signal)).more === true
  const ms = performance.now() - begun
  const { workloads: left } = await store.figures()
  const placed = left.find(({ state }) => state === 'starting')?.count ?? 0
  return { placed, ms, turns, readMs: spent.read, commitMs: spent.commit, boundMs: await copyOf(store.url) }
}

async function copyOf(url: string): Promise<number> {
  const tables = ['attempts', 'leases', 'ranks', 'operations', 'plans', 'events']
  const client = new Client({ connectionString: url })
  await client.connect()
  for (const table of tables) await client.query(`create table copy_of_${table} (like ${table} including all)`)
  const begun = performance.now()
  await client.query('begin')
  for (const table of tables)
    await client.query(`insert into copy_of_${table} overriding system value select * from ${table}`)
  await client.query('commit')
  const ms = performance.now() - begun
  await client.end()
  return ms
}
