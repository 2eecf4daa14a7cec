import type { JoinedSite, Leaving } from '#model/joined-site.ts'
import type { TreeProblem } from '#model/project-tree.ts'
import type { Project } from '#model/project.ts'
import type { Site } from '#model/site.ts'

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

/** Sites that were joined by a command, and so are declared here for all control planes. */
/** `stop`: what runs there is told to leave. `gone`: the site is gone for good, and with it what ran there. */
export type HowToLeave = { stop: boolean; gone?: boolean; now: number }

export type JoinedSites = {
  list(): Promise<JoinedSite[]>
  /** Joins a site, and tells an event; false where there is one of its key. */
  add(site: Site, declaration: Record<string, unknown>, now: number): Promise<boolean>
  /** Begins to leave a site, or adds how; null where none of that key was joined. */
  leave(key: string, how: HowToLeave): Promise<Leaving | null>
  /** Writes down what is still to go at a site that is being left, unless more was asked since `leaving` was read. */
  remains(key: string, leaving: Leaving): Promise<void>
  /** Forgets a site that was being left, once no lease of ours is live there; false while one is. */
  remove(key: string, now: number): Promise<boolean>
}
