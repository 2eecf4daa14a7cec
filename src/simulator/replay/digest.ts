import { createHash } from 'node:crypto'

import type { JobRecord } from './job-record.ts'

/** What a decision did, as it enters the digest. */
export const deed = { start: 1, preempt: 2, lose: 3, end: 4, refuse: 5 } as const

/** A fingerprint of all that happened, in its order: equal for two runs only if every decision was equal. */
export type Digest = {
  note(what: keyof typeof deed, record: JobRecord, now: number): void
  text(): string
}

const blockLength = 4096

export function createDigest(): Digest {
  const hash = createHash('sha256')
  const block = new Float64Array(blockLength) // times are beyond 32 bits
  let filled = 0
  const push = (value: number): void => {
    block[filled++] = value
    if (filled < blockLength) return
    hash.update(block)
    filled = 0
  }
  return {
    note(what, { index, spots, place }, now) {
      push(deed[what])
      push(now)
      push(index)
      push(spots.length)
      for (const one of spots) push(one)
      if (!place) return
      push(place.device)
      push(place.start)
    },
    text: () => hash.copy().update(block.subarray(0, filled)).digest('hex').slice(0, 32),
  }
}
