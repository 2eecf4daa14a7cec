import { Problem } from './problem.ts'

/** Streams open at the same time in this process, of events and of logs. */
const mostStreams = 1000
let open = 0

/**
 * The body of a response that is made as fast as the client reads it, one piece at a time, so that a slow client costs
 * one piece of memory. Too many of them at once are refused.
 */
export function streamed(pieces: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  if (open >= mostStreams)
    throw new Problem('too-many', `${mostStreams} streams are open already; close one, or try again later.`)
  return ReadableStream.from(counted(pieces))
}

async function* counted(pieces: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  open++
  try {
    yield* pieces
  } finally {
    open--
  }
}
