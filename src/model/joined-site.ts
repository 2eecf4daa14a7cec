import type { ProviderName } from './names.ts'

/** What still keeps a site from being left, and what would mend it where somebody has to. */
export type Remain = { what: string; fix: string | null }

/** A site that is being left: it takes no new work. From `stopAt` on, what runs there is told to leave, too. */
export type Leaving = { since: number; stopAt: number | null; remains: Remain[] }

/**
 * A site that was joined by a command, as it would stand in a file: it names where its credentials are and holds none of
 * them. `key` is `provider/name`.
 */
export type JoinedSite = {
  key: string
  provider: ProviderName
  declaration: Record<string, unknown>
  leaving: Leaving | null
}
