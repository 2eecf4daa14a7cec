import { Problem } from './problem.ts'

/** All bytes of a body that may have so many at the most. */
export async function readBytes(request: Request, most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of request.body ?? []) {
    size += piece.length
    if (size > most) throw new Problem('too-large', `The body may have ${most} bytes at the most.`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
