type Named = { metadata: { uid: string } }

/** Keeps objects by their uid, as much of them as is read. */
export const keptIn = <T extends Named, K>(all: Map<string, K>, as: (object: T) => K) => ({
  clear: () => all.clear(),
  put: (object: T) => void all.set(object.metadata.uid, as(object)),
  remove: ({ metadata }: T) => void all.delete(metadata.uid),
})
