/** What a sleeper hears of being woken early: an `AbortSignal` is one. */
export type Cancelled = {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: () => void, options?: { once: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** An `AbortController` for waits that nobody else sees: it makes no events and keeps no reasons, and costs a tenth. */
export class Cancel implements Cancelled {
  aborted = false
  readonly #listeners = new Set<() => void>()

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener)
  }

  /** Tells whoever listens, each once. */
  cancel(): void {
    if (this.aborted) return
    this.aborted = true
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listen of listeners) listen()
  }
}
