import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { pino, stdSerializers, type Logger } from 'pino'

import { makeFolderSync } from '#kit/make-folder.ts'

/** A log file grows to this, and so many older ones are kept. */
const mostBytes = 16 * 1024 * 1024
const kept = 2

const serverLogPath = (home: string): string => join(home, 'logs', 'server.log')

/**
 * The server's own log, one JSON object a line. In the foreground it goes to standard error; detached, to a file that
 * stays bounded. A disk that is full costs lines, not the server.
 */
export function openLog(options: { home: string; level: string; detached: boolean }): Logger {
  const settings = {
    level: options.level,
    base: { pid: process.pid },
    serializers: { error: stdSerializers.err },
    redact: ['token', 'credential', 'authorization', '*.token', '*.credential', '*.authorization'],
  }
  return pino(
    settings,
    options.detached ? boundedFile(serverLogPath(options.home)) : { write: (line) => void process.stderr.write(line) },
  )
}

function boundedFile(path: string): { write(line: string): void } {
  makeFolderSync(dirname(path))
  let file = openSync(path, 'a', 0o600)
  let size = fstatSync(file).size
  const rotate = () => {
    closeSync(file)
    for (let age = kept - 1; age >= 0; age--) move(age === 0 ? path : `${path}.${age}`, `${path}.${age + 1}`)
    file = openSync(path, 'a', 0o600)
    size = 0
  }
  return {
    write(line) {
      try {
        if (size > mostBytes) rotate()
        size += writeSync(file, line)
      } catch {
        // Nobody is left to tell.
      }
    },
  }
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch {
    // There is no such older file yet.
  }
}
