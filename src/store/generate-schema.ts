import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openDatabase } from './database.ts'
import { startEmbedded } from './embedded/embedded.ts'
import { migrate } from './migrate.ts'
import { dumpSchema } from './schema-dump.ts'

// Writes schema.sql; with --check, only says whether it is what the migrations make.

/** Where the schema is checked in. */
export const schemaPath = join(import.meta.dirname, 'schema.sql')

/** What the file should hold, given the dump of a migrated database. */
export const schemaText = (dump: string): string =>
  `-- Generated from the migrations by node src/store/generate-schema.ts; do not edit.\n\n${dump}`

async function migrated(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-schema-'))
  const embedded = await startEmbedded(folder)
  try {
    const database = await openDatabase({ url: embedded.url, size: 1 })
    await migrate(database)
    return await database.read(dumpSchema).finally(() => database.close())
  } finally {
    await embedded.remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const text = schemaText(await migrated())
  if (!process.argv.includes('--check')) writeFileSync(schemaPath, text)
  else if (readFileSync(schemaPath, 'utf8') !== text) {
    process.stderr.write('src/store/schema.sql is out of date: run node src/store/generate-schema.ts\n')
    process.exitCode = 1
  }
}
