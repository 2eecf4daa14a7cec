/** Lets so many at a time do what holds memory; the others wait for their turn, in order. */
export function createLanes(count: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let free = count
  return async (work) => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }
}

/** Does something with each, so many at a time, and gives the results in order. Nothing new begins after a failure. */
export async function withEach<T, V>(
  all: readonly T[],
  { width, work }: { width: number; work: (one: T, at: number) => Promise<V> },
): Promise<V[]> {
  const results: V[] = []
  let next = 0
  let failed = false
  const worker = async () => {
    while (next < all.length && !failed) {
      const at = next++
      try {
        results[at] = await work(all[at] as T, at) // there are so many
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const settled = await Promise.allSettled(Array.from({ length: Math.min(width, all.length) }, worker))
  for (const one of settled) if (one.status === 'rejected') throw one.reason
  return results
}

/** Parts that one rank sends or fetches at a time: four of 16 MiB. */
export const width = 4
