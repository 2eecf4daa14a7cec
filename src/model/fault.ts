import { z } from 'zod'

/** The closed list of ways in which a provider may fail as expected. Anything else is a bug and is thrown. */
export const FaultKind = z.enum(['no-capacity', 'quota', 'throttled', 'denied', 'invalid', 'unreachable', 'conflict'])
export type FaultKind = z.infer<typeof FaultKind>

/**
 * An expected failure of a call to a provider, as a value. `retry` says what helps: the same call `later`, another
 * offer (`elsewhere`), or nothing (`never`).
 */
export const Fault = z.object({
  kind: FaultKind,
  retry: z.enum(['elsewhere', 'later', 'never']),
  detail: z.string().max(2000).meta({ description: 'What the provider said, without secrets, for people.' }),
  retryAfterMs: z.int().min(0).optional().meta({
    description: 'With `later`: how long it asked to be left alone by calls of this kind (`Retry-After`).',
  }),
})
export type Fault = z.infer<typeof Fault>

/** The result of a call that may fail as expected. */
export type Outcome<T> = { ok: true; value: T } | { ok: false; fault: Fault }

export const succeed = <T>(value: T): Outcome<T> => ({ ok: true, value })
export const fail = (kind: FaultKind, retry: Fault['retry'], detail: string): { ok: false; fault: Fault } => ({
  ok: false,
  fault: { kind, retry, detail: detail.slice(0, 2000) },
})

/** A fault that passes, of which the provider says when: the same call is not made to that site before. */
export const failFor = (kind: FaultKind, retryAfterMs: number, detail: string): { ok: false; fault: Fault } => ({
  ok: false,
  fault: { ...fail(kind, 'later', detail).fault, retryAfterMs: Math.max(0, Math.ceil(retryAfterMs)) },
})

/** Nobody is left alone longer than this, whatever it asks for: it may be wrong, and work waits. */
export const longestRetryAfterMs = 300_000

/** How long a provider asked to be left alone; 0 where it did not say. */
export const retryAfterOf = ({ retry, retryAfterMs = 0 }: Fault): number =>
  retry === 'later' ? Math.min(retryAfterMs, longestRetryAfterMs) : 0
