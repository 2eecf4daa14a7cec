import { join } from 'node:path'

import { isMap, isSeq, LineCounter, parseDocument, type Document } from 'yaml'

import { defaultSites, LocalConfig, localSites, type LocalSite } from '#providers/local/config.ts'
import { ServerProblem } from './server-problem.ts'
import { readState } from './state-file.ts'

const example = 'sites: [{provider: local, name: west, price: $1.20/h, nodes: 4, shape: {cpus: 2, memory: 2GB}}]'
const mostBytes = 1024 * 1024

/** The sites of this machine, as sites.yaml in the state directory says; without the file the machine itself is one. */
export function readSites(home: string): LocalSite[] {
  const path = join(home, 'sites.yaml')
  const folder = join(home, 'local')
  const text = readState(path)
  return text === null ? defaultSites(folder) : localSites(parseSites(path, text), folder)
}

/** Reads the text of a sites.yaml. Throws a `ServerProblem` with the place, the cause and the fix. */
export function parseSites(path: string, text: string): LocalConfig {
  const lines = new LineCounter()
  const document = parseDocument(text.slice(0, mostBytes), { lineCounter: lines })
  const say = (offset: number, message: string): ServerProblem => {
    const { line, col } = lines.linePos(offset)
    return new ServerProblem('usage', `${path}:${line}:${col}: ${message}\nWrite it like this: ${example}`)
  }
  const [error] = document.errors
  if (error) throw say(error.pos[0], error.message.split('\n')[0] ?? '')
  const read = LocalConfig.safeParse(withoutProvider(document, say))
  if (read.success) return read.data
  const [issue] = read.error.issues
  const where = issue?.path ?? []
  throw say(offsetOf(document, where), `${where.join('.')}: ${issue?.message ?? 'is not right'}`)
}

type Say = (offset: number, message: string) => ServerProblem

/** The content, each site without its provider; a site of another provider than this machine is refused. */
function withoutProvider(document: Document.Parsed, say: Say): unknown {
  const content: unknown = document.toJS({ maxAliasCount: 100 })
  const isObject = typeof content === 'object' && content !== null
  const sites = isObject && 'sites' in content ? content.sites : undefined
  if (!isObject || !Array.isArray(sites)) throw say(0, 'it must hold a list named `sites`')
  return {
    ...content,
    sites: sites.map((site: unknown, index) => {
      if (typeof site !== 'object' || site === null) return site
      const { provider, ...rest } = site as Record<string, unknown> // an object, whatever is in it
      if (provider === 'local') return rest
      const message =
        provider === undefined ? 'provider is missing' : `provider ${JSON.stringify(provider)} is not known here`
      throw say(offsetOf(document, ['sites', index, 'provider']), `sites.${index}: ${message}; there is \`local\``)
    }),
  }
}

/** Where in the text the node at a path begins, or the nearest above it. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents
  let offset = 0
  for (const key of path) {
    const next: unknown = isMap(node) || isSeq(node) ? node.get(key, true) : undefined
    if (typeof next !== 'object' || next === null) break
    node = next
    offset = 'range' in next && Array.isArray(next.range) ? Number(next.range[0]) : offset
  }
  return offset
}
