import type { AgentAnswer, AgentReport, Go, Program } from '#model/agent-protocol.ts'
import type { OpenStore } from '#model/checkpoint-store.ts'
import { goOf } from '#model/go.ts'
import type { Site } from '#model/site.ts'
import { readKeys } from '#kit/s3-keys.ts'
import { unseal } from '#kit/seal.ts'
import type { AgentView } from '#store/store.ts'
import { bundleAddress } from './bundle-address.ts'
import type { ApiHouse } from './house.ts'
import { Problem } from './problem.ts'
import { secretOwner } from './secret-owner.ts'

/** What an agent must know now, without what costs to make: the facts that another version is made of. */
export type News = { fenced: boolean; met: boolean; stop: AgentAnswer['stop']; version: string }

/** Reads from a lease's rows what its agents must know. */
export function newsOf(view: AgentView): News {
  const { attempt, workload, fenced } = view
  const ending = attempt.state === 'stopping' || view.lease.state === 'stopping' || workload.wants !== 'run'
  const reason = attempt.reason || (workload.wants === 'hold' ? 'it is held' : 'it is being stopped')
  const stop = ending ? { graceMs: workload.spec.checkpoint.graceMs, reason } : null
  const met = view.ranks.length > 0 && view.ranks.every(isUp)
  return { fenced, met, stop, version: `${fenced ? 'fenced' : stop ? 'stop' : met ? 'go' : 'wait'}.${attempt.number}` }
}

/**
 * Nobody starts before all are up: a rank that has gone on or ended was up. A look at the site may show that its agent is
 * there, or has ended, before that has said where, and others could not find it.
 */
const isUp = ({ state, address }: AgentView['ranks'][number]): boolean =>
  (state === 'exited' || state === 'arrived' || state === 'running') && address !== null

/** The order to start, for an agent that has arrived where all have, and was not told yet. */
export const mayGo = (news: News, report: AgentReport): boolean =>
  news.met && !news.fenced && news.stop === null && report.state === 'arrived' && report.seen !== news.version

/** Everything a rank needs to start, its secrets opened. */
export async function makeGo(house: ApiHouse, { ranks, ...view }: AgentView, rank: number): Promise<Go> {
  const own = siteOf(house, view.lease)?.checkpointFolder
  const checkpoints = own === undefined ? house.self.checkpoints : (workload: string) => `${own}/${workload}`
  const [program] = await makePrograms({ ...house, checkpoints }, { ...view, ranks: [rank] })
  if (!program) throw new Error('each rank has a program')
  return { ...program, peers: ranks.toSorted((a, b) => a.rank - b.rank).map(({ address }) => address ?? '') }
}

/** What programs are made with; `checkpoints` is the folder of a workload that names none. */
export type ProgramHouse = Pick<ApiHouse, 'store' | 'clock' | 'keys' | 'providers'> & {
  checkpoints: (workload: string) => string
}

type Wanted = Pick<AgentView, 'workload' | 'attempt'> & {
  lease: Pick<AgentView['lease'], 'provider' | 'site'>
  ranks: readonly number[]
}

/** What some ranks of an attempt do, their secrets opened. Throws a `Problem` when one cannot be. */
export async function makePrograms(house: ProgramHouse, wanted: Wanted): Promise<Program[]> {
  const { workload, attempt, ranks } = wanted
  const { checkpoints } = house
  const secrets = await openSecrets(house, workload, workload.spec.secrets)
  const store = await openStore(house, wanted)
  const hash = workload.bundle
  const bundle = hash === null ? null : { hash, url: addressOf(house, hash) }
  return ranks.map((rank) => ({ ...goOf({ workload, attempt, rank, secrets, checkpoints, store }), bundle }))
}

const siteOf = ({ providers }: Pick<ApiHouse, 'providers'>, lease: Wanted['lease']): Site | undefined =>
  providers
    .get(lease.provider)
    ?.sites()
    .find(({ name }) => name === lease.site)

/** Says so where people look as well: the workload has its machines, and waits. */
async function cannotOpen(
  house: ProgramHouse,
  { id, project }: AgentView['workload'],
  { name, what }: { name: string; what: string },
): Promise<Problem> {
  const fix = `isobar secret set ${name}${project === 'default' ? '' : ` --project ${project}`}`
  const reason = `it waits for the secret ${name} of project ${project}, which ${what}: ${fix}`
  await house.store.apply([{ change: 'reason', id, reason }])
  return new Problem('unavailable', `The secret ${name} of project "${project}" ${what}.`, { next: [fix] })
}

const addressOf = (house: ProgramHouse, hash: string): string =>
  bundleAddress({ key: house.keys.bundles, hash, now: house.clock.now() })

/** The object store of the site, for jobs that name no folder of their own. */
async function openStore(house: ProgramHouse, { workload, lease }: Wanted): Promise<OpenStore | undefined> {
  const { kind, checkpoint } = workload.spec
  if (kind !== 'job' || checkpoint.directory !== undefined) return undefined
  const site = siteOf(house, lease)
  if (!site?.checkpoints) return undefined
  const { secret, ...at } = site.checkpoints
  // Keys can be given that open the part of one project.
  const store = { ...at, prefix: `${at.prefix}${workload.project}/` }
  if (secret === undefined) return { ...store, keys: null }
  const keys = readKeys((await openSecrets(house, workload, [secret]))[secret] ?? '')
  if (!keys)
    throw await cannotOpen(house, workload, {
      name: secret,
      what: 'holds no keys of an object store, as ~/.aws/credentials does',
    })
  return { ...store, keys }
}

async function openSecrets(
  house: ProgramHouse,
  workload: AgentView['workload'],
  names: string[],
): Promise<Record<string, string>> {
  const { project } = workload
  if (names.length === 0) return {}
  const sealed = await house.store.secrets.get(project, names)
  const opened: Record<string, string> = {}
  for (const name of names) {
    const box = sealed.get(name)
    const value = box && unseal(house.keys.secrets, secretOwner(project, name), box)
    // Starting without it would fail later and worse. The agent asks again until somebody has put it right.
    if (!value) throw await cannotOpen(house, workload, { name, what: 'cannot be opened' })
    opened[name] = Buffer.from(value).toString()
  }
  return opened
}
