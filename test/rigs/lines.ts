import { existsSync, readFileSync } from 'node:fs'

/** The lines that are in a file by now, none if there is no file: what is just being written is no line yet. */
export const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
