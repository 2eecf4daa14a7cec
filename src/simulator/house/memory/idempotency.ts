import { answerWithinMs } from '#store/queries/idempotency.ts'
import type { Idempotency } from '#store/idempotency.ts'
import { jsonb } from './jsonb.ts'
import type { Memory } from './memory.ts'

export const createIdempotency = ({ idempotency, write }: Memory): Idempotency => ({
  begin: (key, requestHash, now) =>
    write(() => {
      const row = idempotency.get(key)
      if (!row) {
        idempotency.insert({ key, requestHash, status: null, response: null, createdAt: now })
        return 'new'
      }
      if (row.requestHash !== requestHash) return 'mismatch'
      if (row.status !== null) return { status: row.status, response: row.response }
      if (row.createdAt >= now - answerWithinMs) return 'running'
      idempotency.update(row, { createdAt: now })
      return 'new'
    }),
  save: (key, status, response) =>
    write(() => {
      const row = idempotency.get(key)
      if (row) idempotency.update(row, { status, response: jsonb(response ?? null) })
    }),
  forget: (key) =>
    write(() => {
      const row = idempotency.get(key)
      if (row) idempotency.remove(row)
    }),
})
