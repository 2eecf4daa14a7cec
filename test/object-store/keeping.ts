import { randomUUID } from 'node:crypto'
import { globSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before } from 'node:test'

import { describeKeeping } from '#rigs/keeping.ts'
import { type ObjectStore, startObjectStore } from '#rigs/object-store.ts'

let server: ObjectStore
before(async () => {
  server = await startObjectStore()
})
after(() => server.stop())

describeKeeping('in a real bucket', async () => {
  const bucket = `b-${randomUUID()}`
  const folder = join(server.folder, bucket)
  mkdirSync(folder)
  const { endpoint, region, keys } = server
  return {
    store: { endpoint, region, bucket, prefix: 'teams/vision/', addressing: 'path', keys },
    keys: () =>
      globSync('teams/**', { cwd: folder })
        .filter((path) => statSync(join(folder, path), { throwIfNoEntry: false })?.isFile())
        .sort(),
    remove: (key) => rmSync(join(folder, key)),
    overwrite: (key, text) => writeFileSync(join(folder, key), text),
  }
})
