import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { createApi } from '#api/app.ts'
import type { ApiHouse } from '#api/house.ts'
import { describe } from '#api/openapi.ts'
import { version } from './version.ts'

/** Where the description of the API is checked in. */
export const descriptionPath = fileURLToPath(new URL('../../schemas/openapi.json', import.meta.url))

/** The description of the API as it is now. The routes are made, and never run: so they need no house. */
export function descriptionText(): string {
  const nowhere = {
    bell: { onRing: () => () => {} },
    clock: { now: () => 0, sleep: () => Promise.resolve() },
  } as unknown as ApiHouse
  const { app, close } = createApi(nowhere)
  close()
  return `${JSON.stringify(describe(app, version), null, 2)}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = descriptionText()
  if (!process.argv.includes('--check')) writeFileSync(descriptionPath, text)
  else if (readFileSync(descriptionPath, 'utf8') !== text) {
    console.error(
      'schemas/openapi.json is not what the code says any more.\nWrite it anew: node src/server/generate.ts',
    )
    process.exitCode = 1
  }
}
