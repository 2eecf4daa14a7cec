import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of this package. */
export const home = fileURLToPath(new URL('../..', import.meta.url))

export type AgentFiles = {
  /** Texts by their paths below the folder of this package. */
  files: Map<string, string>
  /** Of libraries: the name that is imported, and the file that imports it. */
  libraries: { name: string; importer: string }[]
  /** What a package.json must say for them to find each other. */
  manifest: string
}

/** A program of ours with all that it imports, to take it to a machine where nothing of ours is. `entry`: its first file. */
export async function agentFiles(entry: string): Promise<AgentFiles> {
  const own = JSON.parse(await readFile(join(home, 'package.json'), 'utf8')) as { imports: Record<string, string> }
  const manifest = JSON.stringify({ private: true, type: 'module', imports: own.imports })
  const paths = new Set([entry])
  const files = new Map<string, string>()
  const libraries: AgentFiles['libraries'] = []
  for (const path of paths) {
    const text = await readFile(join(home, path), 'utf8')
    files.set(path, text)
    for (const name of importsOf(text)) {
      if (name.startsWith('#')) paths.add(inPackage(name, own.imports))
      else if (name.startsWith('.')) paths.add(join(dirname(path), name))
      else if (!name.startsWith('node:')) libraries.push({ name, importer: path })
    }
  }
  return { files, libraries, manifest }
}

const importsOf = (text: string): string[] =>
  [
    ...text.matchAll(/^import (?!type)[^'";]*from '([^']+)'|^} from '([^']+)'|^import '([^']+)'|import\('([^']+)'\)/gm),
  ].map(([, ...names]) => names.find((name) => name !== undefined) ?? '')

/** A name such as `#kit/clock.ts`, which package.json explains. */
function inPackage(name: string, imports: Record<string, string>): string {
  const pattern = `${name.split('/')[0]}/*`
  const target = imports[pattern]
  if (target === undefined) throw new Error(`package.json does not say what ${name} is`)
  return join(target.replace('*', name.slice(pattern.length - 1)))
}
