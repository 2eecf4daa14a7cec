/** Answers to requests that may be repeated, by the keys of who asked. */
export type Idempotency = {
  /** `new`: go on, and save. Otherwise what the first call answered, or that it still runs, or had another body. */
  begin(
    key: string,
    requestHash: string,
    now: number,
  ): Promise<'new' | 'running' | 'mismatch' | { status: number; response: unknown }>
  save(key: string, status: number, response: unknown): Promise<void>
  forget(key: string): Promise<void>
}
