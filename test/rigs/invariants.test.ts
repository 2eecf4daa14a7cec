import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { Client } from 'pg'

import { until } from '#rigs/kubernetes/house.ts'
import { assertInvariants } from './invariants.ts'
import { aDatabase } from './postgres.ts'
import { aHome, aServer, ask } from './server.ts'

test('one look at the store of a house tells what is leaked, what its rows lack, and what is billed wrong', async (t) => {
  const home = aHome(t)
  const site = {
    provider: 'simulated',
    name: 'here',
    price: '$1/h',
    shape: { cpus: 1, memory: '1GB' },
    boot: '1ms',
    run: '1h',
  }
  writeFileSync(join(home, 'sites.yaml'), JSON.stringify({ sites: [site] }))
  const url = await aDatabase()
  const server = await aServer(t, { home, url, port: 0 })
  const text = 'kind: job\nname: one\nresources: { cpus: 1, memory: 1GB }\nrun: work\n'
  const { json } = await ask(server, 'POST /v1/workloads', { text })
  const look = async () => (await ask(server, `GET /v1/workloads/${json.workloads[0].id}`)).json
  await until('it runs', async () => (await look()).state === 'running')
  const lease = (await look()).attemptList[0].lease.id
  await assertInvariants(url, async () => [lease])
  await assert.rejects(
    assertInvariants(url, async () => [lease, 'l-nobodys']),
    /nothing is leaked: l-nobodys is there/,
  )
  await server.close()
  await using client = await opened(url)
  await client.query(
    'update leases set price_micros = price_micros + 1000000, metered_until = coalesce(metered_until, started_at) + 3600000',
  )
  await client.query('delete from replicas')
  await assert.rejects(
    assertInvariants(url, async () => []),
    ({ message }: Error) => {
      assert.match(message, /rule 2, .*lacks 1 of its 1 replicas/)
      assert.match(message, /rule 9, the ledger has each lease to the micro-dollar: /)
      return true
    },
  )
})

async function opened(url: string) {
  const client = new Client({ connectionString: url })
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}
