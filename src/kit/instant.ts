import type { Instant } from './clock.ts'

/** A time to the second, rounded up, as RFC 3339 writes it: `2026-01-01T00:00:00Z`. */
export const formatInstant = (instant: Instant): string =>
  `${new Date(Math.ceil(instant / 1000) * 1000).toISOString().slice(0, 19)}Z`
