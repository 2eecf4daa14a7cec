/** Something that happened, told to people and programs, in order. */
export type Event = {
  /** Opaque position; events of one store are read in the order of their positions, and none is skipped. */
  cursor: string
  at: number
  /** `noun.verbed`, such as `workload.submitted` or `lease.lost`. */
  type: string
  workload: string | null
  project: string | null
  /** One line for people. */
  message: string
  /** Facts for programs; never a secret. */
  data: Record<string, unknown>
}
export type NewEvent = Omit<Event, 'cursor' | 'at'>
