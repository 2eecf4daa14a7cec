import { readFileSync, writeFileSync } from 'node:fs'

import { configurationText } from './reference-configuration.ts'
import { reference } from './reference.ts'
import { tree } from './tree.ts'

// Writes the pages of docs/reference/ that are made from the command line; with --check, only says which are stale.

const generated: Record<string, () => string> = {
  'docs/reference/cli.md': () => reference(tree),
  'docs/reference/configuration.md': configurationText,
}

const urlOf = (file: string): URL => new URL(`../../${file}`, import.meta.url)

/** The generated pages that are not what they should be. */
export const stalePages = (): string[] =>
  Object.entries(generated)
    .filter(([file, make]) => readFileSync(urlOf(file), 'utf8') !== make())
    .map(([file]) => file)

if (import.meta.main && !process.argv.includes('--check')) {
  for (const [file, make] of Object.entries(generated)) writeFileSync(urlOf(file), make())
} else if (import.meta.main) {
  for (const file of stalePages()) {
    process.stderr.write(`${file} is out of date: run node src/cli/generate-docs.ts\n`)
    process.exitCode = 1
  }
}
