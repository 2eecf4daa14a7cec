import type { Blobs } from '#providers/blobs/blobs.ts'

/** Blobs in memory, for a simulation: logs of ended attempts. */
export function memoryBlobs(): Blobs {
  const all = new Map<string, Uint8Array>()
  return {
    put: () => Promise.reject(new Error('nothing is uploaded to a simulated house')),
    write: (name, bytes) => Promise.resolve(void all.set(name, bytes)),
    size: (name) => Promise.resolve(all.get(name)?.length ?? null),
    touch: (name) => Promise.resolve(all.get(name)?.length ?? null),
    read: (name, from, most) => Promise.resolve(all.get(name)?.subarray(from, from + most) ?? null),
    remove: (name) => Promise.resolve(all.delete(name)),
    names: (below) => Promise.resolve([...all.keys()].filter((name) => name.startsWith(`${below}/`)).sort()),
    async *list(first) {
      for (const [name, { length }] of all) if (name.startsWith(`${first}/`)) yield { name, size: length, touchedAt: 0 }
    },
  }
}
