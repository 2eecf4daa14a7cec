import type { ProviderName } from './names.ts'
import type { Site } from './site.ts'

/** What still keeps a site from being left, and what would mend it where somebody has to. */
export type Remain = { what: string; fix: string | null }

/**
 * A site that is being left: it takes no new work. From `stopAt` on, what runs there is told to leave, too; since `goneAt`
 * somebody says that the site itself is gone for good, and what ran there with it.
 */
export type Leaving = { since: number; stopAt: number | null; goneAt?: number | null; remains: Remain[] }

/**
 * A site that was joined by a command, as it would stand in a file: it names where its credentials are and holds none of
 * them. `key` is `provider/name`.
 */
export type JoinedSite = {
  key: string
  provider: ProviderName
  site: Site
  declaration: Record<string, unknown>
  leaving: Leaving | null
}
