import { z } from 'zod'

import { formatDuration } from '#kit/duration.ts'
import { formatMoney } from '#kit/money.ts'
import { formatSizeMiB } from '#kit/size.ts'
import { CoreweaveConfig } from '#providers/coreweave/config.ts'
import { KubernetesConfig } from '#providers/kubernetes/config.ts'
import { LocalConfig } from '#providers/local/config.ts'
import { providerNames } from '#providers/registry.ts'
import { SimulatedConfig } from '#providers/simulated/config.ts'
import { CallName, callsOf, fates, isOneOf, meanings, Trouble } from '#providers/simulated/trouble.ts'
import { SlurmConfig } from '#providers/slurm/config.ts'
import { serverOptions } from '#server/options.ts'

import { topics } from './topics.ts'

/** The reference of the configuration as Markdown: from the server's options, the help and the schema of sites.yaml. */
export const configurationText = (): string =>
  [
    '# Configuration\n',
    'Made by `node src/cli/generate-docs.ts` from `src/server/options.ts`, `src/cli/topics.ts` and\nthe schemas of providers; do not edit.\n',
    'Nothing has to be configured. What is given on the command line goes before the environment.\n',
    '## Options of the server\n',
    'For `isobar serve`. A server that a command starts in the background takes the environment of that command.\n',
    optionTable(),
    '## Environment\n',
    `\`\`\`text\n${environment()}\n\`\`\`\n`,
    sitesIntroduction,
    siteTable(),
    simulatedIntroduction,
    tableOf(SimulatedConfig),
    troublesIntroduction,
    troubleTable(),
    slurmIntroduction,
    tableOf(SlurmConfig),
    kubernetesIntroduction,
    tableOf(KubernetesConfig),
    coreweaveIntroduction,
    tableOf(CoreweaveConfig, KubernetesConfig),
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
  const provider = row([code('provider'), providerNames.map(code).join(', '), 'required', 'Whose site it is.'])
  const local = rowsOf(LocalConfig, [])
  return table(['field', 'type', 'default', 'meaning'], [provider, ...local])
}

/** Fields of the sites of a provider that those of `local` do not have. */
/** The fields of a provider's sites that those of another do not have. */
const tableOf = (config: z.ZodType, other: z.ZodType = LocalConfig): string =>
  table(['field', 'type', 'default', 'meaning'], rowsOf(config, Object.keys(siteOf(other).properties ?? {})))

/** Troubles with the calls that each may befall. */
const troubleTable = (): string =>
  table(
    ['trouble', 'befalls', 'meaning'],
    Trouble.exclude(['lost']).options.map((name) => row([code(name), befallen(name), meanings[name]])),
  )

function befallen(trouble: Trouble): string {
  if (isOneOf(fates, trouble)) return 'a gang'
  const calls = callsOf(trouble)
  return calls.length === CallName.options.length ? 'any call' : calls.map(code).join(', ')
}

function rowsOf(config: z.ZodType, without: string[]): string[] {
  const { properties = {}, ...site } = siteOf(config)
  const shown = Object.entries(properties).filter(([name]) => !without.includes(name))
  return fieldRows({ ...site, properties: Object.fromEntries(shown) }, '')
}

function siteOf(config: z.ZodType): Field {
  const schema = z.toJSONSchema(config, { io: 'input', unrepresentable: 'any' }) as Field // zod's type is wider
  return schema.properties?.['sites']?.items ?? {}
}

function fieldRows({ properties = {}, required = [] }: Field, path: string): string[] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const preset = required.includes(name) ? 'required' : defaultOf(name, field)
    const examples = field.examples ?? field.anyOf?.[0]?.examples ?? []
    const such =
      examples.length > 0
        ? ` Such as ${examples.map((one) => `\`${typeof one === 'string' ? one : JSON.stringify(one)}\``).join(', ')}.`
        : ''
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
  const written = { sites: [{ name: 'x', shape: { cpus: 1, memory: '1GB' } }] }
  const [site] = LocalConfig.parse(written).sites
  const [simulated] = SimulatedConfig.parse(written).sites
  if (name === 'run') return code(formatDuration(simulated?.run ?? 0))
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

const kubernetesIntroduction = `## Sites of the provider \`kubernetes\`

A cluster behind a Kubernetes API. It has no \`root\`, \`nodes\`, \`shape\`, \`labels\` or \`taints\`: the cluster tells what its
nodes have. [How](../how-to/kubernetes.md).
`

const coreweaveIntroduction = `## Sites of the provider \`coreweave\`

All of \`kubernetes\`, and what is agreed on its NodePools. Without \`price\` nodes cost what CoreWeave's list says.
[How](../how-to/coreweave.md).
`

const slurmIntroduction = `## Sites of the provider \`slurm\`

A partition of a Slurm cluster. It has no \`root\`, \`shape\`, \`topology\`, \`labels\` or \`taints\`: Slurm tells what its nodes have and where they stand. [How](../how-to/slurm.md).
`

const simulatedIntroduction = `A site of the provider \`simulated\` starts nothing. It takes orders as a cloud would, at its price and within its nodes,
says after \`boot\` that the ranks run and after \`run\` that they exited with 0, so that one can try plans, prices, quotas
and budgets on machines that one does not have. It lives in the server's memory: when the server ends, what it held is
lost, and of two control planes each would have its own. Its \`shape\` is required; it has no \`root\`,
\`topology\`, \`labels\` or \`taints\`, and has besides:

\`\`\`yaml
sites:
  - provider: simulated
    name: cloud
    jurisdictions: [SE, EU]
    price: $40/h
    nodes: 8
    shape: { cpus: 128, memory: 2TB, accelerators: H200:8, acceleratorMemory: 141GB }
    run: 5m
\`\`\`
`

const troublesIntroduction = `A site may be in trouble, by the shares that \`troubles\` names or as its \`profile\` is known to behave. What is drawn
depends on nothing but the site, the call and the instant, or the gang. The times that belong to it are those of the
profile; without one a slow call takes 5 to 30 s, a late one comes up to 60 s later, views are up to 30 s old, and the
provider's clock is up to a minute off. See [try what goes wrong](../how-to/try-what-goes-wrong.md).
`

const stateDirectory = `## Files of the state directory

Only its owner may read it (mode 0700); files that hold a secret have mode 0600, and the server refuses one that others
may read.

| file | is |
|---|---|
| \`token\` | the token of the API; made at the first start |
| \`key\` | 32 bytes in hex: secrets, credentials of agents and addresses of bundles are made with it. Back it up |
| \`sites.yaml\` | the sites, if you wrote one |
| \`server.json\` | process, address and version of the server, while it runs |
| \`gateway.json\` | process and address of \`isobar gateway\`, while it runs |
| \`lock\` | which process is the server: there is one for a state directory |
| \`port.json\` | where it listened last, so that agents find it again |
| \`clock.json\` | the anchor of the house's time (decision 5) |
| \`pg/\` | the private PostgreSQL; as root, its data is in \`/var/lib/isobar/\` and \`pg/where.json\` says where |
| \`blobs/\` | bundles (7 days after they were last needed, 50 GB) and logs of ended attempts (\`ISOBAR_KEEP_DAYS\`, 20 GB) |
| \`cache/bundles/\` | workdirs as they were packed last by commands of this machine |
| \`checkpoints/<workload>/<attempt>/\` | what runs on this machine saves; removed with its workload, \`ISOBAR_KEEP_DAYS\` after the end |
| \`gangs/\` | what jobs of Slurm on nodes without a shared disk are to run and told us, and the agent that they fetch |
| \`local/<site>/\` | a site of this machine, with what runs there |
| \`logs/server.log\` | the log of a server in the background, bounded; \`start.log\` is what it said on its way up |
`
