import type { TreeProblem } from '#model/project-tree.ts'
import type { Project } from '#model/project.ts'

/**
 * Asked of what is there, in the transaction that is about to write it and with its row locked. What it throws is thrown
 * to whoever wanted to write, and nothing is written.
 */
export type Check<T> = (present: T) => void

export type Projects = {
  list(): Promise<Project[]>
  /** Null when it was written; or why it would be no tree any more, and then nothing was. */
  put(project: Project): Promise<TreeProblem | null>
  /**
   * Makes or changes a project: `decide` is told what is there, locked, and says what is to be; what it throws is thrown,
   * and nothing is written.
   */
  change(name: string, decide: (present: Project | null) => Project): Promise<Project | TreeProblem>
}

export type StoredSecret = { name: string; sealed: Uint8Array; updatedAt: number }

export type Secrets = {
  put(project: string, secret: StoredSecret, check?: Check<StoredSecret | null>): Promise<void>
  list(project: string): Promise<Omit<StoredSecret, 'sealed'>[]>
  find(project: string, name: string): Promise<StoredSecret | null>
  get(project: string, names: string[]): Promise<Map<string, Uint8Array>>
  /** False: there was none. */
  remove(project: string, name: string, check?: Check<StoredSecret | null>): Promise<boolean>
  /**
   * Whether this house's secrets and credentials come from the key with this mark. The first key to ask is the one, and
   * so is a new key once there is no secret, no live lease and no other control plane.
   */
  sameKey(mark: string): Promise<boolean>
  /** Whether some key was marked as that of this house. */
  hasKey(): Promise<boolean>
}
