import { z } from 'zod'

import { publicEnvironment } from '#kit/environment.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'

import { run } from './command-line.ts'
import type { SlurmSite } from './config.ts'
import { problemText } from './dialect.ts'
import { faultOf } from './faults.ts'
import { createTokenFile } from './token.ts'

/** A partition, as far as it says who may use it. */
export type FoundPartition = { name: string; isUp: boolean; isDefault: boolean; allowed: string[]; denied: string[] }

/** What a cluster says of itself, by whichever way. */
export type FoundCluster = { version: string; way: string; partitions: FoundPartition[] }

/** The versions of slurmrestd's API that we speak. */
const spoken = ['v0.0.38']

/** Asks slurmrestd which of its versions it speaks, and for the partitions. */
export async function askRest(
  site: Pick<SlurmSite, 'tokenFile' | 'user'> & { rest: string },
  signal: AbortSignal,
): Promise<Outcome<FoundCluster>> {
  const token = await createTokenFile(site.tokenFile)()
  if (!token.ok) return token
  const headers = { 'x-slurm-user-name': site.user, 'x-slurm-user-token': token.value }
  const get = async (path: string): Promise<Outcome<unknown>> => {
    try {
      const response = await fetch(new URL(path, site.rest), { headers, redirect: 'error', signal })
      const text = (await response.text()).slice(0, mostCharacters)
      if (response.status === 401 || /authentication/i.test(text.slice(0, 500)))
        return fail('denied', 'later', `slurmrestd at ${site.rest} does not take the token in ${site.tokenFile}`)
      return succeed(JSON.parse(text) as unknown)
    } catch (error) {
      const why = error instanceof SyntaxError ? 'what answers is no slurmrestd' : causeOf(error)
      return fail('unreachable', 'later', `${site.rest}: ${why}`)
    }
  }
  const api = await get('/openapi/v3')
  if (!api.ok) return api
  const paths = Object.keys(Api.safeParse(api.value).data?.paths ?? {})
  const offered = [...new Set(paths.flatMap((path) => /^\/slurm\/(v[\d.]+)\//.exec(path)?.[1] ?? []))]
  const version = spoken.find((one) => offered.includes(one))
  if (version === undefined) {
    const theirs = offered.length === 0 ? 'nothing that we know' : offered.join(', ')
    const detail = `slurmrestd at ${site.rest} speaks ${theirs}, and Isobar speaks ${spoken.join(', ')}`
    return fail('invalid', 'elsewhere', detail)
  }
  const answer = await get(`/slurm/${version}/partitions`)
  if (!answer.ok) return answer
  const read = Partitions.safeParse(answer.value)
  const [first] = Failure.safeParse(answer.value).data?.errors ?? []
  if (first || !read.success)
    return faultOf(first?.error ?? `it gave what ${version} does not: ${problemText(read.error?.issues ?? [])}`)
  const { meta, partitions } = read.data
  return succeed({
    version: meta.Slurm.release,
    way: `slurmrestd ${version} at ${site.rest}`,
    partitions: partitions.map(({ name, state, flags, allowed_accounts, denied_accounts }) => ({
      name,
      isUp: state === 'UP',
      isDefault: flags.includes('default'),
      allowed: words(allowed_accounts),
      denied: words(denied_accounts),
    })),
  })
}

const mostCharacters = 16 * 1024 * 1024
const Api = z.object({ paths: z.record(z.string(), z.unknown()) })
const Failure = z.object({ errors: z.array(z.object({ error: z.string() })) })
const Partitions = z.object({
  meta: z.object({ Slurm: z.object({ release: z.string() }) }),
  partitions: z.array(
    z.object({
      name: z.string(),
      state: z.string(),
      flags: z.array(z.string()),
      allowed_accounts: z.string(),
      denied_accounts: z.string(),
    }),
  ),
})

const words = (list: string): string[] => list.split(',').filter((word) => word !== '' && word !== 'ALL')

const causeOf = (error: unknown): string =>
  error instanceof Error ? [error.message, ...(error.cause ? [causeOf(error.cause)] : [])].join(': ') : String(error)

/** Asks the commands of Slurm on this machine; null where there are none. */
export async function askCommands(
  { conf }: Pick<SlurmSite, 'conf'>,
  signal: AbortSignal,
): Promise<Outcome<FoundCluster> | null> {
  const version = await command(['scontrol', '--version'], { conf, signal })
  if (version === null) return null
  if (!version.ok) return version
  const listed = await command(['scontrol', '--oneliner', 'show', 'partition'], { conf, signal })
  if (listed === null || !listed.ok) return listed
  return succeed({
    version: version.value.trim().replace(/^\S+ /, ''),
    way: 'the commands on this machine',
    partitions: partitionsIn(listed.value),
  })
}

/** Reads `scontrol --oneliner show partition`. */
export function partitionsIn(said: string): FoundPartition[] {
  return said.split('\n').flatMap((line) => {
    const fields = new Map(line.split(/\s+/).flatMap((pair) => [pair.split(/=(.*)/s, 2) as [string, string]]))
    const name = fields.get('PartitionName')
    if (name === undefined) return []
    const isUp = fields.get('State') === 'UP'
    const [allowed, denied] = [fields.get('AllowAccounts') ?? '', fields.get('DenyAccounts') ?? '']
    return [{ name, isUp, isDefault: fields.get('Default') === 'YES', allowed: words(allowed), denied: words(denied) }]
  })
}

/**
 * Has Slurm judge a job as ours will be, without one (`--test-only`): whether the account, the quality of service and the
 * limits of the partition allow it.
 */
export async function rehearse(site: SlurmSite, signal: AbortSignal): Promise<Outcome<null>> {
  const { conf, partition, account, qos } = site
  const asked = [
    `--partition=${partition}`,
    ...(account === undefined ? [] : [`--account=${account}`]),
    ...(qos === undefined ? [] : [`--qos=${qos}`]),
  ]
  const said = await command(['sbatch', '--test-only', '--nodes=1', ...asked, '--wrap=true'], { conf, signal })
  return said === null || said.ok ? succeed(null) : said
}

/** What a command says; null where there is no such command. */
async function command(
  argv: [string, ...string[]],
  { conf, signal }: { conf: string | undefined; signal: AbortSignal },
): Promise<Outcome<string> | null> {
  const environment = { ...publicEnvironment(process.env), ...(conf === undefined ? {} : { SLURM_CONF: conf }) }
  const ended = await run(argv, signal, { environment })
  if ('missing' in ended) return null
  if (signal.aborted) return fail('unreachable', 'later', `${argv[0]} was given up before it answered`)
  return ended.code === 0 ? succeed(ended.out) : faultOf(`${ended.err} ${ended.out}`)
}
