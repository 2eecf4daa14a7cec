import { isCollision, StoreUnavailable } from '#store/store-unavailable.ts'

/** Whether an error is one that a fault of the database explains; any other is a bug. */
export function isExpected(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isExpected)
  if (error instanceof StoreUnavailable || isCollision(error)) return true
  return error instanceof Error && error.cause !== undefined && isExpected(error.cause)
}
