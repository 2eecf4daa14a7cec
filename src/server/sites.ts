import { join } from 'node:path'

import { z } from 'zod'

import { ProviderName } from '#model/names.ts'
import { siteKey } from '#model/site.ts'
import { explainYaml, parseDocuments } from '#model/spec/documents.ts'
import { explainFields, pathText, type Explained } from '#model/spec/explain.ts'
import { locate, toPlain } from '#model/spec/plain.ts'
import { createSource, type SpecProblem } from '#model/spec/problem.ts'
import type { JsonSchema } from '#model/spec/schema-walk.ts'
import { configOf, UnknownProvider } from '#providers/registry.ts'
import { ServerProblem } from './server-problem.ts'
import { readState } from './state-file.ts'

/** Names of providers with their part of sites.yaml; nothing for one that is to look around by itself. */
export type Declared = Map<string, { sites: unknown[] } | undefined>

const example = 'sites: [{provider: local, name: west, price: $1.20/h, nodes: 4, shape: {cpus: 2, memory: 2GB}}]'
const mostCharacters = 1024 * 1024

/** The sites that sites.yaml in the state directory declares; without the file this machine is the only one. */
export async function readSites(home: string): Promise<Declared> {
  const path = join(home, 'sites.yaml')
  const text = readState(path)
  return text === null ? new Map([['local', undefined]]) : parseSites(path, text)
}

/** Reads the text of a sites.yaml. Throws a `ServerProblem` with the place, the cause and the fix. */
export async function parseSites(path: string, text: string): Promise<Declared> {
  const source = createSource(path, text)
  if (text.length > mostCharacters)
    throw wrong(
      source.problem(0, { message: `it is larger than ${mostCharacters} characters`, fix: 'make it smaller' }),
    )
  const documents = parseDocuments(text, source)
  if (!Array.isArray(documents)) throw wrong(documents)
  const [document, second] = documents
  const [error] = document?.errors ?? []
  if (error) throw wrong(explainYaml(error, source, text))
  if (!document) throw wrong(source.problem(0, noList))
  if (second)
    throw wrong(source.problem(second.range[0], { message: 'a second document begins', fix: 'remove the rest' }))
  const { value, flaws } = toPlain(document)
  const say = ({ path: at, what, message, fix }: Explained): ServerProblem =>
    wrong(source.problem(locate(document, at, what), { path: pathText(at), message, fix }))
  const [flaw] = flaws
  if (flaw) throw say({ ...flaw, what: 'value' })
  const { sites, ...others } = Outer.safeParse(value).data ?? {}
  if (!sites) throw wrong(source.problem(0, noList))
  const [other] = Object.keys(others)
  if (other)
    throw say({ path: [other], what: 'key', message: 'it holds a list named `sites` and no more', fix: 'remove it' })
  const groups = Map.groupBy(
    sites.map((site, at) => ({ site, at })),
    ({ site }) => providerOf(site),
  )
  const declared: Declared = new Map()
  for (const [provider, members] of groups) {
    const options = { sites: members.map(({ site }) => withoutProvider(site)) }
    const problem = await problemOf(provider, options)
    // A place within this provider's part is one within the whole file.
    const inFile = ([list, at, ...inner]: PropertyKey[]): PropertyKey[] =>
      list === undefined || at === undefined ? ['sites'] : ['sites', members[Number(at)]?.at ?? 0, ...inner]
    const message = problem?.message.replace(/^sites\[\d+\]/, `a site of ${provider}`) ?? ''
    if (problem) throw say({ ...problem, message, path: inFile(problem.path) })
    declared.set(provider, options)
  }
  return declared
}

/** What is wrong with a site that the file declares, with its place there; null where it declares none of that key. */
export function problemAt(home: string, key: string, said: { message: string; fix: string }): ServerProblem | null {
  const path = join(home, 'sites.yaml')
  const text = readState(path) ?? ''
  const source = createSource(path, text)
  const documents = parseDocuments(text, source)
  const [document] = Array.isArray(documents) ? documents : []
  if (!document) return null
  const { sites = [] } = Outer.safeParse(toPlain(document).value).data ?? {}
  const at = sites.findIndex((site) => siteKeyOf(site) === key)
  if (at < 0) return null
  return wrong(source.problem(locate(document, ['sites', at], 'value'), { path: `sites[${at}]`, ...said }))
}

const siteKeyOf = (site: unknown): string | null => {
  const read = Keyed.safeParse(site).data
  return read ? siteKey(read) : null
}

const Keyed = z.looseObject({ provider: ProviderName, name: z.string() })

const Outer = z.looseObject({ sites: z.array(z.unknown()).min(1) })
const noList = { message: 'it must hold a list named `sites`', fix: `write it like this: ${example}` }

const wrong = ({ file, line, column, path, message, caret, fix }: SpecProblem): ServerProblem =>
  new ServerProblem('usage', `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}\n${caret}\n${fix}`)

const Member = z.looseObject({ provider: z.string() })
const providerOf = (site: unknown): string => Member.safeParse(site).data?.provider ?? ''

function withoutProvider(site: unknown): unknown {
  const { provider: _, ...rest } = Member.safeParse(site).data ?? { provider: '' }
  return rest
}

/** What is wrong first with a provider's part, if anything is. */
async function problemOf(provider: string, options: { sites: unknown[] }): Promise<Explained | undefined> {
  const first: PropertyKey[] = ['sites', 0]
  if (provider === '')
    return { path: first, what: 'value', message: 'the provider of this site is missing', fix: 'add provider: local' }
  const config = await configOf(provider).catch((error: unknown) => error)
  if (config instanceof UnknownProvider)
    return { path: [...first, 'provider'], what: 'value', message: config.message, fix: config.fix }
  if (!(config instanceof z.ZodType)) throw config
  const read = config.safeParse(options)
  if (read.success) return undefined
  const schema = z.toJSONSchema(config, { io: 'input', unrepresentable: 'any' }) as JsonSchema // zod's is wider
  return explainFields({ noun: 'a site', schema, root: options }, read.error.issues)[0]
}
