import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Archives that no folder has used for so long go, and the oldest ones beyond so many bytes. */
const keptMs = 7 * 86_400_000
const keptBytes = 4 * 1024 ** 3

/** Bounds a folder of packed bundles, except the one to `keep`; what is missing then is packed again when needed. */
export function tidyBundles(cacheDir: string, options: { keep: string; now?: number }): void {
  const { keep, now = Date.now() } = options
  const files = readdirSync(cacheDir)
    .map((name) => join(cacheDir, name))
    .flatMap((path) => {
      const stats = statSync(path, { throwIfNoEntry: false }) // another process may tidy at the same time
      return stats?.isFile() ? [{ path, bytes: stats.size, usedAt: stats.mtimeMs }] : []
    })
  let total = 0
  for (const { path, bytes, usedAt } of files.sort((a, b) => b.usedAt - a.usedAt)) {
    total += bytes
    if (path !== keep && (total > keptBytes || now - usedAt > keptMs)) rmSync(path, { force: true })
  }
}
