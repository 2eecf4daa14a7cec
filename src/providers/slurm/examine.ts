import { access, constants } from 'node:fs/promises'

import { didYouMean } from '#kit/did-you-mean.ts'
import type { Examination, Obstacle } from '#model/examination.ts'
import { type Fault, type Outcome, succeed } from '#model/fault.ts'
import { type Draft, nameFrom, nothingFound, obstacle, obstacleOf, readDraft, unknownOf } from '#providers/examining.ts'

import { SlurmConfig, type SlurmSite, slurmSites } from './config.ts'
import { lookAtAccounts } from './examine-accounts.ts'
import { howToMake, lookAtToken } from './examine-token.ts'
import { askCommands, askRest, type FoundCluster, type FoundPartition, rehearse } from './found.ts'
import { offersOf, shapeOf } from './inventory.ts'
import { controllerOf, identityOf } from './slurm.ts'
import { renewalOf } from './token.ts'

/** What stands for a field that a draft leaves open, so that the rest can be looked at. */
const open = { partition: 'unknown' }

/**
 * Looks at a Slurm cluster before a partition of it is joined: over slurmrestd where its address was given, otherwise by the
 * commands on this machine. Nothing is submitted, and no folder is made. `home` is the state directory.
 */
export async function examineSlurm(draft: Draft, home: string, signal: AbortSignal): Promise<Examination> {
  const found = nothingFound(draft)
  // Its token is looked for under its name.
  const called = typeof draft['partition'] === 'string' ? nameFrom(draft['partition']) : undefined
  const read = readDraft(SlurmConfig, { ...open, ...(called !== undefined && { name: called }), ...draft })
  if ('wrong' in read) return { ...found, obstacles: [read.wrong] }
  const [site] = slurmSites({ sites: [read.site] }, home)
  if (!site) return found
  const token = site.rest === undefined ? '' : await lookAtToken(found, site)
  if (token === null) return found
  const cluster = await ask(site, token, signal)
  if (!cluster.ok) return { ...found, obstacles: [inOurWords(cluster.fault, site)] }
  const { version, way, partitions } = cluster.value
  found.facts.push({ name: 'version', value: version }, { name: 'way', value: way }, { name: 'user', value: site.user })
  found.facts.push({ name: 'partitions', value: partitions.map(nameAndState).join(', ') })
  const [only] = partitions.length === 1 ? partitions : []
  const name = draft['partition'] ?? only?.name
  if (typeof name !== 'string') return { ...found, unknown: unknownAt(found, cluster.value) }
  found.declaration = { ...draft, partition: name, ...nameOr(draft, nameFrom(name)) }
  found.identity = identityOf({ ...site, partition: name })
  const partition = partitions.find((one) => one.name === name)
  found.obstacles.push(...(partition ? closed(partition, site) : [absent(name, partitions)]))
  if (partition) await lookAtNodes(found, { site: { ...site, partition: name }, token }, signal)
  if (partition && found.obstacles.length === 0) await tryOut(found, { ...site, partition: name }, signal)
  found.unknown = unknownAt(found, cluster.value)
  found.obstacles.push(...(await folderTrouble(draft['directory'])))
  found.notes.push(
    draft['directory'] === undefined
      ? 'its nodes share no folder with this machine (--directory): each must reach the control plane, and have curl or wget'
      : 'whether nodes see the folder under the same path is known with the first job',
  )
  return found
}

/** A name that is left open is absent, not undefined. */
const nameOr = ({ name }: Draft, otherwise: string | undefined): Draft => {
  const known = name ?? otherwise
  return known === undefined ? {} : { name: known }
}

const ask = (site: SlurmSite, token: string, signal: AbortSignal): Promise<Outcome<FoundCluster>> =>
  site.rest === undefined ? askCommands(site, signal) : askRest({ ...site, rest: site.rest }, token, signal)

const otherWay = 'isobar site add slurm --rest http://<host>:6820 --token-file <file>, or --ssh <host>'

function inOurWords(fault: Fault, site: SlurmSite): Obstacle {
  const { rest, conf } = site
  if (/^there is no \S+ on this machine/.test(fault.detail)) return obstacle('invalid', fault.detail, otherWay)
  if (fault.kind === 'denied' && rest !== undefined)
    return obstacle('denied', fault.detail, renewalOf(site)?.words ?? howToMake)
  return obstacleOf(
    fault,
    rest === undefined ? `${conf === undefined ? '' : `SLURM_CONF=${conf} `}sinfo` : `curl ${rest}`,
  )
}

const nameAndState = ({ name, isUp }: FoundPartition): string => (isUp ? name : `${name} (closed)`)

function absent(name: string, partitions: readonly FoundPartition[]): Obstacle {
  const names = partitions.map((one) => one.name)
  const near = didYouMean(name, names) ?? names[0]
  const what = `the cluster has no partition ${name}; it has ${names.join(', ') || 'none'}`
  return obstacle('invalid', what, near === undefined ? 'sinfo' : `--partition ${near}`)
}

function closed({ name, isUp, allowed, denied }: FoundPartition, { account }: SlurmSite): Obstacle[] {
  const obstacles: Obstacle[] = []
  if (!isUp) {
    const fix = `scontrol update PartitionName=${name} State=UP (as its administrator)`
    obstacles.push(obstacle('invalid', `the partition ${name} is closed: it takes no jobs`, fix))
  }
  if (allowed.length > 0 && !allowed.includes(account ?? '')) {
    const what = `the partition ${name} is for the accounts ${allowed.join(', ')}, and jobs would be of ${account ?? 'none'}`
    obstacles.push(obstacle('invalid', what, `--account ${didYouMean(account ?? '', allowed) ?? allowed[0] ?? ''}`))
  }
  if (account !== undefined && denied.includes(account))
    obstacles.push(
      obstacle('invalid', `the partition ${name} is closed to the account ${account}`, '--account <other>'),
    )
  return obstacles
}

type Seen = { site: SlurmSite; token: string }

async function lookAtNodes(found: Examination, { site, token }: Seen, signal: AbortSignal): Promise<void> {
  const controller = controllerOf(site, () => Promise.resolve(succeed(token)))
  const told = await controller.partition(signal)
  if (!told.ok) return void found.obstacles.push(inOurWords(told.fault, site))
  const { nodes, mostMinutes } = told.value
  const limit = mostMinutes === null ? 'none' : `${mostMinutes} min`
  found.facts.push({ name: 'longest job', value: limit })
  const isPriced = found.declaration['price'] !== undefined
  found.nodes = offersOf(site, told.value, { standing: null, now: Date.now() }).map(({ shape, available = 0 }) => ({
    shape: shape.name,
    nodes: nodes.filter((node) => shapeOf(site, node).name === shape.name).length,
    usable: available,
    accelerators: shape.accelerators > 0 ? `${shape.accelerator ?? 'unknown'}:${shape.accelerators}` : '',
    cpuMilli: shape.cpuMilli,
    memoryMiB: shape.memoryMiB,
    priceMicros: isPriced ? site.priceMicros : null,
  }))
  await lookAtAccounts(found, { site, controller }, signal)
}

async function tryOut(found: Examination, site: SlurmSite, signal: AbortSignal): Promise<void> {
  if (site.rest !== undefined) {
    const isKnown = found.facts.some(({ name }) => name === 'account')
    if (!isKnown && (site.account !== undefined || site.qos !== undefined))
      found.notes.push('whether account and QOS are good is known with the first job: slurmrestd has no rehearsal')
    return
  }
  const tried = await rehearse(site, signal)
  if (tried.ok) return
  const fix = site.account === undefined ? '--account <account>' : 'sacctmgr show associations user=$USER'
  found.obstacles.push(obstacleOf(tried.fault, fix))
}

function unknownAt(found: Examination, { partitions }: FoundCluster): Examination['unknown'] {
  const { declaration, nodes } = found
  const unknown = unknownOf({ declaration, nodes: nodes.length > 1 ? [] : nodes, regions: [] })
  const names = partitions.map(({ name }) => name).join(', ')
  if (declaration['partition'] === undefined)
    unknown.unshift({ field: 'partition', flag: '--partition', question: `Which partition (${names})?` })
  return unknown
}

async function folderTrouble(directory: unknown): Promise<Obstacle[]> {
  if (typeof directory !== 'string') return []
  const error = await access(directory, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => null,
    (thrown: NodeJS.ErrnoException) => thrown,
  )
  if (error === null) return []
  if (error.code === 'ENOENT')
    return [
      obstacle('invalid', `there is no folder ${directory} on this machine`, `mkdir -p ${directory} (on the disk)`),
    ]
  return [obstacle('denied', `we may not write to ${directory}: ${error.message}`, `ls -ld ${directory}`)]
}
