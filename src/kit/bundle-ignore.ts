import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'

import ignore, { type Ignore } from 'ignore'

/** What to leave out, asked with paths below the folder that is packed, `/` between their parts. */
export type IgnoreRules = { ignores(path: string, isFolder: boolean): boolean; files: IgnoreFile[] }

/** The ignore files of one folder. `base` is that folder, relative to the one that is packed; `prefix` the way down. */
type IgnoreFile = { base: string; prefix: string; rules: Ignore }

/** In one folder the later of these overrides the earlier. */
const ignoreFileNames = ['.gitignore', '.isobarignore']
const mostIgnoreBytes = 1024 ** 2
const mostLevelsUp = 50

/**
 * The rules that hold for a folder because it lies in a git checkout: those of the folders above it, up to the one
 * with `.git`. A folder that these rules themselves leave out was named on purpose, so for it they do not count.
 */
export function outerRules(root: string): IgnoreRules {
  const above: string[] = []
  for (let at = root; above.length < mostLevelsUp; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) break
    if (dirname(at) === at) return rulesOf([])
    above.unshift(dirname(at))
  }
  const files = above.flatMap((folder) => {
    const rules = readRules(folder, ignoreFileNames)
    return rules ? [{ base: '', prefix: `${relative(folder, root)}/`, rules }] : []
  })
  const whole = files.some(({ prefix, rules }) => rules.test(prefix).ignored)
  return rulesOf(whole ? [] : files)
}

/** `outer` and the ignore files of `folder`, which has children of these `names`. */
export function rulesBelow(
  outer: IgnoreRules,
  where: { root: string; folder: string; names: readonly string[] },
): IgnoreRules {
  const { root, folder, names } = where
  const present = ignoreFileNames.filter((name) => names.includes(name))
  const rules = present.length > 0 ? readRules(join(root, folder), present) : undefined
  return rules ? rulesOf([...outer.files, { base: folder === '' ? '' : `${folder}/`, prefix: '', rules }]) : outer
}

function rulesOf(files: IgnoreFile[]): IgnoreRules {
  return {
    files,
    ignores(path, isFolder) {
      if (basename(path) === '.git') return true
      // The file nearest to the path has the last word, as in git.
      for (const { base, prefix, rules } of files.toReversed()) {
        const verdict = rules.test(prefix + path.slice(base.length) + (isFolder ? '/' : ''))
        if (verdict.ignored || verdict.unignored) return verdict.ignored
      }
      return false
    },
  }
}

function readRules(folder: string, names: readonly string[]): Ignore | undefined {
  const texts = names.flatMap((name) => {
    const stats = lstatSync(join(folder, name), { throwIfNoEntry: false })
    return stats?.isFile() && stats.size <= mostIgnoreBytes ? [readFileSync(join(folder, name), 'utf8')] : []
  })
  return texts.length > 0 ? ignore({ ignorecase: false }).add(texts.join('\n')) : undefined
}
