import type { AgentAnswer, AgentReport, Go, Program } from '#model/agent-protocol.ts'
import { goOf } from '#model/go.ts'
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
 * there before that has said where, and others could not find it.
 */
const isUp = ({ state, address }: AgentView['ranks'][number]): boolean =>
  state === 'exited' || ((state === 'arrived' || state === 'running') && address !== null)

/** The order to start, for an agent that has arrived where all have, and was not told yet. */
export const mayGo = (news: News, report: AgentReport): boolean =>
  news.met && !news.fenced && news.stop === null && report.state === 'arrived' && report.seen !== news.version

/** Everything a rank needs to start, its secrets opened. */
export async function makeGo(
  house: ApiHouse,
  { lease, workload, attempt, ranks }: AgentView,
  rank: number,
): Promise<Go> {
  const checkpoints = checkpointsAt(house, lease)
  const [program] = await makePrograms({ ...house, checkpoints }, { workload, attempt, ranks: [rank] })
  if (!program) throw new Error('each rank has a program')
  return { ...program, peers: ranks.toSorted((a, b) => a.rank - b.rank).map(({ address }) => address ?? '') }
}

/** Where checkpoints are that no spec has a folder for: some sites have a place of their own. */
function checkpointsAt({ providers, self }: ApiHouse, lease: AgentView['lease']): ProgramHouse['checkpoints'] {
  const site = providers
    .get(lease.provider)
    ?.sites()
    .find(({ name }) => name === lease.site)
  const own = site?.checkpoints
  return own === undefined ? self.checkpoints : (workload) => `${own}/${workload}`
}

/** What programs are made with; `checkpoints` is the folder of a workload that names none. */
export type ProgramHouse = Pick<ApiHouse, 'store' | 'clock' | 'keys'> & { checkpoints: (workload: string) => string }

type Wanted = Pick<AgentView, 'workload' | 'attempt'> & { ranks: readonly number[] }

/** What some ranks of an attempt do, their secrets opened. Throws a `Problem` when one cannot be. */
export async function makePrograms(house: ProgramHouse, { workload, attempt, ranks }: Wanted): Promise<Program[]> {
  const { checkpoints } = house
  const secrets = await openSecrets(house, workload)
  const hash = workload.bundle
  const bundle = hash === null ? null : { hash, url: addressOf(house, hash) }
  return ranks.map((rank) => ({ ...goOf({ workload, attempt, rank, secrets, checkpoints }), bundle }))
}

/** Says so where people look as well: the workload has its machines, and waits. */
async function cannotOpen(house: ProgramHouse, { id, project }: AgentView['workload'], name: string): Promise<Problem> {
  const fix = `isobar secret set ${name}${project === 'default' ? '' : ` --project ${project}`} --file <path>`
  const reason = `it waits for the secret ${name} of project ${project}, which cannot be opened: ${fix}`
  await house.store.apply([{ change: 'reason', id, reason }])
  return new Problem('unavailable', `The secret ${name} of project "${project}" cannot be opened.`, { next: [fix] })
}

const addressOf = (house: ProgramHouse, hash: string): string =>
  bundleAddress({ key: house.keys.bundles, hash, now: house.clock.now() })

async function openSecrets(house: ProgramHouse, workload: AgentView['workload']): Promise<Record<string, string>> {
  const { project, spec } = workload
  if (spec.secrets.length === 0) return {}
  const sealed = await house.store.secrets.get(project, spec.secrets)
  const opened: Record<string, string> = {}
  for (const name of spec.secrets) {
    const box = sealed.get(name)
    const value = box && unseal(house.keys.secrets, secretOwner(project, name), box)
    // Starting without it would fail later and worse. The agent asks again until somebody has put it right.
    if (!value) throw await cannotOpen(house, workload, name)
    opened[name] = Buffer.from(value).toString()
  }
  return opened
}
