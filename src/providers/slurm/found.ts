import { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'

import type { SlurmSite } from './config.ts'
import { faultOf } from './faults.ts'
import { mapped, read, Words } from './replies.ts'
import { dialects } from './rest.ts'
import { type Command, runCommand } from './run-command.ts'

/** A partition, as far as it says who may use it. */
export type FoundPartition = { name: string; isUp: boolean; allowed: string[]; denied: string[] }

/** What a cluster says of itself, by whichever way. */
export type FoundCluster = { version: string; way: string; partitions: FoundPartition[] }

/** The versions of slurmrestd's API that we speak, the newest first. */
const spoken = dialects.map(({ version }) => version)

/** Asks slurmrestd which of its versions it speaks, and for the partitions. */
export async function askRest(
  site: SlurmSite & { rest: string },
  token: string,
  signal: AbortSignal,
): Promise<Outcome<FoundCluster>> {
  const headers = { 'x-slurm-user-name': site.user, 'x-slurm-user-token': token }
  const get = async (path: string): Promise<Outcome<unknown>> => {
    try {
      const response = await fetch(new URL(path, site.rest), { headers, redirect: 'error', signal })
      const text = (await response.text()).slice(0, mostCharacters)
      if (response.status === 401 || /authentication/i.test(text.slice(0, 500)))
        return fail(
          'denied',
          'later',
          `slurmrestd at ${site.rest} does not take the token ${site.tokenCommand || site.tokenLifespanMs ? 'that was made' : `in ${site.tokenFile}`}`,
        )
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
    const detail = `slurmrestd at ${site.rest} speaks ${theirs}, and Isobar speaks ${spoken.toReversed().join(', ')}`
    return fail('invalid', 'elsewhere', detail)
  }
  const answer = await get(`/slurm/${version}/partitions`)
  if (!answer.ok) return answer
  const told = read({ status: 200, body: answer.value }, Partitions)
  return mapped(told, ({ meta, partitions }) => {
    return { version: releaseIn(meta), way: `slurmrestd ${version} at ${site.rest}`, partitions }
  })
}

const mostCharacters = 16 * 1024 * 1024
const Api = z.object({ paths: z.record(z.string(), z.unknown()) })
// The word for Slurm was written otherwise once.
const Meta = z.record(z.string(), z.unknown())
const Release = z.object({ release: z.string() })
const releaseIn = (meta: z.output<typeof Meta>): string =>
  Release.safeParse(meta['slurm'] ?? meta['Slurm']).data?.release ?? 'unknown'

// Until v0.0.39 the state and the accounts stand beside the name.
const Partitions = z.object({
  meta: Meta,
  partitions: z.array(
    z.union([
      z
        .object({
          name: z.string(),
          partition: z.object({ state: Words }),
          accounts: z.object({ allowed: Words, deny: Words }),
        })
        .transform(({ name, partition: { state }, accounts: { allowed, deny } }) =>
          found(name, state, [allowed, deny]),
        ),
      z
        .object({ name: z.string(), state: Words, allowed_accounts: Words, denied_accounts: Words })
        .transform(({ name, state, allowed_accounts: allowed, denied_accounts: denied }) =>
          found(name, state, [allowed, denied]),
        ),
    ]),
  ),
})

const found = (name: string, state: string[], [allowed, denied]: [string[], string[]]): FoundPartition => ({
  name,
  isUp: state.includes('UP'),
  allowed: allowed.filter((word) => word !== 'ALL'),
  denied: denied.filter((word) => word !== 'ALL'),
})

const words = (list: string): string[] => list.split(',').filter((word) => word !== '' && word !== 'ALL')

const causeOf = (error: unknown): string =>
  error instanceof Error ? [error.message, ...(error.cause ? [causeOf(error.cause)] : [])].join(': ') : String(error)

type Where = Pick<SlurmSite, 'conf' | 'ssh' | 'sshConfig'>

/** Asks the commands of Slurm, on this machine or over SSH. */
export async function askCommands(site: Where, signal: AbortSignal): Promise<Outcome<FoundCluster>> {
  const version = await said(site, ['scontrol', '--version'], signal)
  if (!version.ok) return version
  const listed = await said(site, ['scontrol', '--oneliner', 'show', 'partition'], signal)
  return mapped(listed, (text) => ({
    version: version.value.trim().replace(/^\S+ /, ''),
    way: `the commands on ${site.ssh ?? 'this machine'}`,
    partitions: partitionsIn(text),
  }))
}

/** Reads `scontrol --oneliner show partition`. */
export function partitionsIn(text: string): FoundPartition[] {
  return text.split('\n').flatMap((line) => {
    const fields = new Map(line.split(/\s+/).flatMap((pair) => [pair.split(/=(.*)/s, 2) as [string, string]]))
    const name = fields.get('PartitionName')
    if (name === undefined) return []
    const isUp = fields.get('State') === 'UP'
    const [allowed, denied] = [fields.get('AllowAccounts') ?? '', fields.get('DenyAccounts') ?? '']
    return [{ name, isUp, allowed: words(allowed), denied: words(denied) }]
  })
}

/**
 * Has Slurm judge a job as ours will be, without one (`--test-only`): whether the account, the quality of service and the
 * limits of the partition allow it.
 */
export async function rehearse(site: SlurmSite, signal: AbortSignal): Promise<Outcome<null>> {
  const { partition, account, qos, reservation } = site
  const asked = [
    `--partition=${partition}`,
    ...(account === undefined ? [] : [`--account=${account}`]),
    ...(qos === undefined ? [] : [`--qos=${qos}`]),
    ...(reservation === undefined ? [] : [`--reservation=${reservation}`]),
  ]
  const tried = await said(site, ['sbatch', '--test-only', '--nodes=1', ...asked, '--wrap=true'], signal)
  return mapped(tried, () => null)
}

async function said(site: Where, command: Command, signal: AbortSignal): Promise<Outcome<string>> {
  const ended = await runCommand(site, command, { signal })
  if (!ended.ok) return ended
  const { code, out, err } = ended.value
  return code === 0 ? succeed(out) : faultOf(`${err} ${out}`)
}
