/**
 * intended → done, or failed for good. The row is committed before the call it stands for; after a crash the same row
 * runs again with the same token, so that the provider does it once.
 */
export const operationMoves = {
  intended: ['done', 'failed'],
  done: [],
  failed: [],
} as const satisfies Record<string, readonly string[]>
export type OperationState = keyof typeof operationMoves

/** One intended change at a provider: `launch` the order of a lease, or `retire` it until nothing is left. */
export type Operation = {
  id: string
  lease: string
  kind: 'launch' | 'retire'
  /** `provider/site`, what a circuit breaker and a rate limit go by. */
  site: string
  /** Idempotency token: the lease's id, tagged onto all that the call creates. */
  token: string
  state: OperationState
  tries: number
  /** Not before this time: backoff. */
  notBefore: number
  detail: string
}

/**
 * Which open operations somebody wants for `seconds`, in the order of their time. Of a site that `sites` names there are at
 * most so many among them, for so long; one that may have none is passed over, and holds nobody back.
 */
export type OperationClaim = {
  kind: Operation['kind']
  holder: string
  now: number
  most: number
  seconds: number
  sites?: SiteRoom[]
}

/** `site` is a key, as in operations. */
export type SiteRoom = { site: string; most: number; seconds: number }
