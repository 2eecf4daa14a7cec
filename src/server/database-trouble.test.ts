import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { Client } from 'pg'

import { aDatabase } from '#rigs/postgres.ts'
import { aHome, aServer } from '#rigs/server.ts'

/** Speaks PostgreSQL just enough to refuse whoever comes with a code. */
async function aRefusal(t: TestContext, code: string): Promise<string> {
  const fields = Buffer.from(`SFATAL\0C${code}\0Mno entry\0\0`)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(fields.length + 4)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(Buffer.concat([Buffer.from('E'), length, fields])))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const address = server.address()
  return `postgres://me:hush@127.0.0.1:${typeof address === 'object' ? address?.port : 0}/isobar`
}

test('a server whose database refuses it says what to correct, without the password, and lets go of its directory', async (t) => {
  const home = aHome(t)
  const newer = await aDatabase()
  await (await aServer(t, { home, url: newer, port: 0 })).close()
  const client = new Client({ connectionString: newer })
  await client.connect()
  await client
    .query("insert into migrations (name, checksum) values ('9999-from-the-future', 'x')")
    .finally(() => client.end())
  const troubles = [
    { url: await aRefusal(t, '28P01'), says: /lets nobody in[\s\S]*\nCorrect user and password in DATABASE_URL/ },
    {
      url: 'postgres://me:hush@127.0.0.1:1/isobar',
      says: /does not answer[\s\S]*\nStart it, or correct the host and port/,
    },
    {
      url: 'postgres://me:hush@nowhere.invalid/isobar',
      says: /(host of the database is not known|does not answer)[\s\S]*correct/i,
    },
    { url: newer, says: /newer Isobar: its schema is 9999-from-the-future, and this is .*\nStart that version/ },
  ]
  for (const { url, says } of troubles) {
    await assert.rejects(aServer(t, { home, url, port: 0 }), (error: Error) => {
      assert.match(error.message, says)
      assert.doesNotMatch(error.message, /hush/)
      return true
    })
    assert.ok(!existsSync(join(home, 'lock')) && !existsSync(join(home, 'server.json')))
  }
})
