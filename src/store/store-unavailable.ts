/** PostgreSQL does not answer just now (it restarts, or the way to it is broken). Ask again in a moment. */
export class StoreUnavailable extends Error {
  override name = 'StoreUnavailable'
}

/** PostgreSQL answers, but its disk is full: it writes nothing until there is room. */
export class StoreFull extends StoreUnavailable {}

// Classes 08 (connection) and 57P (shutdown, crash, starting), 53300 (too many connections), 25006 (it leads to a standby),
// and what the socket says.
const transient =
  /^(08...|57P0[1-5]|53300|25006|ECONNREFUSED|ECONNRESET|EPIPE|ENOENT|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN)$/
const broken =
  /Connection terminated|connection error and is not queryable|timeout exceeded when trying to connect|Client was closed/i

/** Whether the connection failed rather than what was asked over it. */
export const isConnectionFailure = (error: unknown): boolean =>
  error instanceof Error && (transient.test(codeOf(error)) || broken.test(error.message))

/** Whether PostgreSQL undid a transaction only because another was in its way: it may simply run again. */
export const isCollision = (error: unknown): boolean => ['40001', '40P01'].includes(codeOf(error))

export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
