import type { OpenStore } from './checkpoint-store.ts'

/**
 * How a rank in a container and the container beside it that keeps its checkpoints speak to each other: by files in the
 * folder that holds a folder for each attempt. Each is written once and says one thing.
 */
export const keeperFiles = {
  /** By the keeper: what an earlier attempt left is there, if there is any. */
  ready: '.ready',
  /** By the keeper: it could not be brought; holds why. */
  failed: '.failed',
  /** By the rank: its program has ended and writes no more. */
  ended: '.ended',
  /** By the keeper, then: all is in the store. */
  saved: '.saved',
  /** By the keeper, then: not all is in the store; holds why. */
  unsaved: '.unsaved',
} as const

/** What a keeper is told. Its rank is `first` (of its Job) and its number there, by its environment. */
export type KeeperOrder = { store: OpenStore; workload: string; attempt: number; nodes: number; root: string }
