import type { Blobs } from '#providers/blobs/blobs.ts'

/** Blobs in memory, for a simulation: logs of ended attempts. */
export function memoryBlobs(): Blobs {
  const all = new Map<string, Uint8Array>()
  /** Names by the folder that they are in. */
  const within = new Map<string, Set<string>>()
  return {
    put: () => Promise.reject(new Error('nothing is uploaded to a simulated house')),
    write(name, bytes) {
      all.set(name, bytes)
      const its = within.get(folderOf(name)) ?? new Set()
      within.set(folderOf(name), its.add(name))
      return Promise.resolve()
    },
    size: (name) => Promise.resolve(all.get(name)?.length ?? null),
    touch: (name) => Promise.resolve(all.get(name)?.length ?? null),
    read: (name, from, most) => Promise.resolve(all.get(name)?.subarray(from, from + most) ?? null),
    remove(name) {
      const its = within.get(folderOf(name))
      its?.delete(name)
      if (its?.size === 0) within.delete(folderOf(name))
      return Promise.resolve(all.delete(name))
    },
    names: (folder) => Promise.resolve([...(within.get(folder) ?? [])].sort()),
    async *list(first) {
      for (const [name, { length }] of all) if (name.startsWith(`${first}/`)) yield { name, size: length, touchedAt: 0 }
    },
  }
}

const folderOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('/')))
