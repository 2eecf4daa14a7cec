import { z } from 'zod'

import { formatDuration } from '#kit/duration.ts'
import { formatMoney } from '#kit/money.ts'
import { formatSizeMiB } from '#kit/size.ts'
import { LocalConfig } from '#providers/local/config.ts'
import { serverOptions } from '#server/options.ts'

import { topics } from './topics.ts'

/** The reference of the configuration as Markdown: from the server's options, the help and the schema of sites.yaml. */
export const configurationText = (): string =>
  [
    '# Configuration\n',
    'Made by `node src/cli/generate-docs.ts` from `src/server/options.ts`, `src/cli/topics.ts` and\n`src/providers/local/config.ts`; do not edit.\n',
    'Nothing has to be configured. What is given on the command line goes before the environment.\n',
    '## Options of the server\n',
    'For `isobar serve`. A server that a command starts in the background takes the environment of that command.\n',
    optionTable(),
    '## Environment\n',
    `\`\`\`text\n${environment()}\n\`\`\`\n`,
    sitesIntroduction,
    siteTable(),
    stateDirectory,
  ].join('\n')

type Option = { env?: string; flag?: string; schema: z.ZodType; description: string }

function optionTable(): string {
  const rows = Object.values<Option>(serverOptions).map(({ env, flag, schema, description }) => {
    const preset: unknown = schema.safeParse(undefined).data
    const shown = env === 'ISOBAR_HOME' ? '`~/.isobar`' : code(preset)
    return row([code(env), code(flag), shown, description])
  })
  return table(['environment', 'option', 'default', 'meaning'], rows)
}

/** What `isobar help environment` says, without its title. */
function environment(): string {
  const text = topics.find(({ name }) => name === 'environment')?.text ?? ''
  return text.split('\n').slice(2).join('\n').trimEnd()
}

type Field = {
  type?: string
  description?: string
  default?: unknown
  enum?: unknown[]
  examples?: unknown[]
  anyOf?: Field[]
  properties?: Record<string, Field>
  required?: string[]
  items?: Field
}

function siteTable(): string {
  const schema = z.toJSONSchema(LocalConfig, { io: 'input', unrepresentable: 'any' }) as Field // zod's type is wider
  const site = schema.properties?.['sites']?.items ?? {}
  const provider = row([code('provider'), '`local`', 'required', 'The only one of a file yet.'])
  return table(['field', 'type', 'default', 'meaning'], [provider, ...fieldRows(site, '')])
}

function fieldRows({ properties = {}, required = [] }: Field, path: string): string[] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const preset = required.includes(name) ? 'required' : defaultOf(name, field)
    const examples = field.examples ?? field.anyOf?.[0]?.examples ?? []
    const such = examples.length > 0 ? ` Such as ${examples.map((one) => `\`${String(one)}\``).join(', ')}.` : ''
    const meaning = `${field.description ?? ''}${such}`
    return [row([`\`${path}${name}\``, typeOf(field), preset, meaning]), ...fieldRows(field, `${path}${name}.`)]
  })
}

function typeOf(field: Field): string {
  if (field.enum) return field.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (field.anyOf) return [...new Set(field.anyOf.map(typeOf))].join(' or ')
  if (field.type === 'array') return `list of ${typeOf(field.items ?? {})}`
  return { string: 'text', integer: 'whole number', object: 'mapping' }[field.type ?? ''] ?? field.type ?? ''
}

/** What a site is without being told, written as a person would. */
function defaultOf(name: string, { default: preset }: Field): string {
  const [site] = LocalConfig.parse({ sites: [{ name: 'x', shape: { cpus: 1, memory: '1GB' } }] }).sites
  if (name === 'patience') return code(formatDuration(site?.patience ?? 0))
  if (name === 'price') return code(`${formatMoney(BigInt(site?.price ?? 0))}/h`)
  if (name === 'disk') return code(formatSizeMiB(site?.shape?.diskMiB ?? 0))
  return code(Array.isArray(preset) ? JSON.stringify(preset) : preset)
}

const code = (value: unknown): string => (value === undefined ? '' : `\`${String(value)}\``)
const row = (cells: string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |\n`
const table = (titles: string[], rows: string[]): string =>
  row(titles) + `|${titles.map(() => '---|').join('')}\n` + rows.join('')

const sitesIntroduction = `## sites.yaml

In the state directory; read when the server starts. Without it there is one site, \`local/here\`: this machine as it is
measured, at a reference price (decision 8). A site that is taken out of the file is forgotten once nothing is left there.

\`\`\`yaml
sites:
  - provider: local
    name: west
    jurisdictions: [US]
    price: $1.20/h
    nodes: 4
    shape: { cpus: 2, memory: 2GB }
\`\`\`
`

const stateDirectory = `## Files of the state directory

Only its owner may read it (mode 0700); files that hold a secret have mode 0600, and the server refuses one that others
may read.

| file | is |
|---|---|
| \`token\` | the token of the API; made at the first start |
| \`key\` | 32 bytes in hex: secrets, credentials of agents and addresses of bundles are made with it. Back it up |
| \`sites.yaml\` | the sites of this machine, if you wrote one |
| \`server.json\` | process, address and version of the server, while it runs |
| \`lock\` | which process is the server: there is one for a state directory |
| \`port.json\` | where it listened last, so that agents find it again |
| \`clock.json\` | the anchor of the house's time (decision 5) |
| \`pg/\` | the private PostgreSQL; as root, its data is in \`/var/lib/isobar/\` and \`pg/where.json\` says where |
| \`blobs/\` | bundles (7 days after they were last needed, 50 GB) and logs of ended attempts (\`ISOBAR_KEEP_DAYS\`, 20 GB) |
| \`cache/bundles/\` | workdirs as they were packed last by commands of this machine |
| \`checkpoints/<workload>/<attempt>/\` | what runs on this machine saves; removed with its workload, \`ISOBAR_KEEP_DAYS\` after the end |
| \`local/<site>/\` | a site of this machine, with what runs there |
| \`logs/server.log\` | the log of a server in the background, bounded; \`start.log\` is what it said on its way up |
`
