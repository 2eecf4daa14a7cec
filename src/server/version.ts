import { readFileSync } from 'node:fs'

const { version: read } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string // npm does not publish a package without one
}

/** The version of Isobar that runs here. */
export const version = read
