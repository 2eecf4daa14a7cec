import { linkSync, rmSync, writeFileSync } from 'node:fs'

/**
 * Whether a file was made by this call: of all who try only the first makes it, and it is there whole or not at all. `own`
 * is a name beside it that nobody else uses.
 */
export function madeFirst(path: string, { own, text }: { own: string; text: string }): boolean {
  writeFileSync(own, text, { mode: 0o600 })
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(own, { force: true })
  }
}
