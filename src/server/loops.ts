import type { Base } from './base.ts'

/** The loops of a control plane, running. */
export type Loops = {
  /** What is not as it should be, in words. */
  notReady(): string[]
  stop(): Promise<void>
}

/** Starts the loops. */
export function startLoops(_base: Base, _controlPlanes: () => string[]): Loops {
  return { notReady: () => [], stop: async () => {} }
}
