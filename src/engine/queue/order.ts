import type { Waiting } from './request.ts'

/** Who came first; no two are equal. */
export const isOlder = (a: Waiting, b: Waiting): boolean =>
  a.since === b.since ? a.order < b.order : a.since < b.since
