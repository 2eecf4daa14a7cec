import { openMemoryBucket } from '#rigs/bucket.ts'
import { describeKeeping } from '#rigs/keeping.ts'

describeKeeping('in memory', async (context) => {
  const bucket = await openMemoryBucket()
  context.after(() => bucket.close())
  const { store, objects } = bucket
  return {
    store,
    keys: () => [...objects.keys()],
    remove: (key) => void objects.delete(key),
    overwrite: (key, text) => void objects.set(key, Buffer.from(text)),
  }
})
