import type { Bound } from '#model/offer.ts'

import type { SlurmSite } from './config.ts'

/** Amounts by the names of Slurm for what it counts: `cpu`, `mem` in MiB, `node`, `gres/gpu`, `gres/gpu:h200`. */
export type Tres = Readonly<Record<string, number>>

/** The most that jobs may have: one alone, those of one user or one account together, and all together. */
export type Limits = {
  job: Tres
  user: Tres
  account: Tres
  group: Tres
  /** The longest that one may run; null where nothing is said. */
  mostMinutes: number | null
}

/** What an account, or a user in one, may have of a cluster. One without a user is the account's own. */
export type Association = {
  account: string
  user: string
  /** The account above; empty for a user's, and for the first of all. */
  parent: string
  /** The partition that it is for; empty for all. */
  partition: string
  isDefault: boolean
  qos: readonly string[]
  defaultQos: string
  limits: Limits
}

export type Qos = { name: string; isOverPartition: boolean; limits: Limits }

/** What the accounting of a cluster says of us: associations of the user, and of the accounts above. */
export type Accounting = {
  associations: Association[]
  qos: Qos[]
  /** The quality of service that a partition puts on all its jobs. */
  partitionQos: string | null
}

/** Licences that jobs may hold, of a kind. */
export type Licence = { name: string; total: number; free: number }

export const noLimits: Limits = { job: {}, user: {}, account: {}, group: {}, mostMinutes: null }

/** As whom our jobs run, and what they may have. */
export type Standing = {
  account: string
  qos: string
  /** By the names of Slurm, with who says so. */
  most: { tres: string; most: number; by: string }[]
  mostMinutes: number | null
}

/** What accounting has not: then Slurm refuses each job of ours. */
export type Unknown = { no: 'association' | 'account' | 'qos'; has: string[] }

type Source = { name: string; limits: Limits }
const words = { job: 'MaxTRES', user: 'MaxTRESPerUser', account: 'MaxTRESPerAccount', group: 'GrpTRES' } as const
const kinds = ['job', 'user', 'account', 'group'] as const

/**
 * As whom jobs of a site run, by its declaration or by default, and what limits them. Where a quality of service limits
 * something, the association does not; of groups, the limits of all accounts above hold.
 *
 * Slurm's resource_limits, "hierarchical limits".
 */
export function standingOf(
  { associations, qos: all, partitionQos }: Accounting,
  { user, partition, ...wanted }: Pick<SlurmSite, 'user' | 'account' | 'qos' | 'partition'>,
): Standing | Unknown {
  const ours = associations.filter((one) => one.user === user && ['', partition].includes(one.partition))
  if (ours.length === 0) return { no: 'association', has: [] }
  const account = wanted.account ?? ours.find(({ isDefault }) => isDefault)?.account ?? ours[0]?.account ?? ''
  const mine = ours.filter((one) => one.account === account).sort((a, b) => b.partition.length - a.partition.length)[0]
  if (!mine) return { no: 'account', has: [...new Set(ours.map((one) => one.account))] }
  const name = wanted.qos ?? (mine.defaultQos || mine.qos[0] || 'normal')
  if (wanted.qos !== undefined && !mine.qos.includes(wanted.qos)) return { no: 'qos', has: [...mine.qos] }
  const find = (called: string | null) => all.find((one) => one.name === called)
  const [job, above] = [find(name), find(partitionQos)]
  const services = (job?.isOverPartition ? [job, above] : [above, job]).flatMap((one) =>
    one ? [{ name: `QOS ${one.name}`, limits: one.limits }] : [],
  )
  const chain = [
    { name: `user ${user} in account ${account}`, limits: mine.limits },
    ...accountsFrom(account, associations),
  ]
  const minutes = [...services, ...chain].map(({ limits }) => limits.mostMinutes).find((most) => most !== null)
  return { account, qos: name, most: mostOf(services, chain), mostMinutes: minutes ?? null }
}

const mostLevels = 32

function accountsFrom(account: string, associations: readonly Association[]): Source[] {
  const sources: Source[] = []
  for (let name = account; name !== '' && sources.length < mostLevels;) {
    const own = associations.find((one) => one.user === '' && one.account === name)
    if (!own) break
    sources.push({ name: `account ${name}`, limits: own.limits })
    name = own.parent
  }
  return sources
}

function mostOf(services: readonly Source[], [own, ...accounts]: readonly Source[]): Standing['most'] {
  const found: Standing['most'] = []
  for (const kind of kinds) {
    const said = new Set<string>()
    const add = ({ name, limits }: Source): void => {
      for (const [tres, most] of Object.entries(limits[kind]))
        if (!said.has(tres)) found.push({ tres, most, by: `${words[kind]} of ${name}` })
    }
    for (const service of services) {
      add(service)
      for (const tres of Object.keys(service.limits[kind])) said.add(tres)
    }
    if (own) add(own)
    // What a job may have is inherited already by whom it is.
    if (kind === 'group') for (const account of accounts) add(account)
  }
  return found
}

const units: Readonly<Record<string, { of: Bound['of']; size: number }>> = {
  cpu: { of: 'cpuMilli', size: 1000 },
  mem: { of: 'memoryMiB', size: 1 },
  node: { of: 'nodes', size: 1 },
  'gres/gpu': { of: 'accelerators', size: 1 },
}

/** What one order may have at the most, of nodes with accelerators of a model; the tightest limit of each thing. */
export function boundsFor({ most: all }: Standing, model: string | undefined): Bound[] {
  const bounds = new Map<Bound['of'], Bound>()
  for (const { tres, most, by } of all) {
    const [kind, type] = tres.split(':')
    const unit = type === undefined || type.toUpperCase() === model ? units[kind ?? ''] : undefined
    if (!unit) continue
    const bound = { of: unit.of, most: most * unit.size, by }
    if (bound.most < (bounds.get(unit.of)?.most ?? Infinity)) bounds.set(unit.of, bound)
  }
  return [...bounds.values()]
}

/** In one line for people: `MaxTRES of QOS short: gres/gpu=4`. */
export const sayLimits = ({ most, mostMinutes }: Standing): string =>
  [
    ...most.map((one) => `${one.by}: ${one.tres}=${one.most}`),
    ...(mostMinutes === null ? [] : [`MaxWall: ${mostMinutes} min`]),
  ].join('; ') || 'none'
