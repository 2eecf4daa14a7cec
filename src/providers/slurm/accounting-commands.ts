import { fail, type Outcome, succeed } from '#model/fault.ts'

import { type Accounting, type Association, type Licence, noLimits, type Qos, type Tres } from './accounting.ts'
import { endedJob } from './accounting-replies.ts'
import type { SlurmJob } from './controller.ts'
import { fieldOf, instantOf, minutesOf } from './fields.ts'
import { mapped } from './replies.ts'
import type { Command } from './run-command.ts'

/** Runs a command of Slurm and gives what it prints. */
type Answer = (argv: Command) => Promise<Outcome<string>>
type Whose = { user: string; partition: string }

/** What accounting says of a user; null where a cluster has none, or lets everybody do everything. */
export async function askAccounting({ user, partition }: Whose, answer: Answer): Promise<Outcome<Accounting | null>> {
  const config = await answer(['scontrol', 'show', 'config'])
  if (!config.ok) return config
  const setting = (name: string) => new RegExp(`^${name}\\s*= (.*)$`, 'm').exec(config.value)?.[1] ?? ''
  const enforced = setting('AccountingStorageEnforce').toLowerCase()
  if (!setting('AccountingStorageType').endsWith('/slurmdbd') || !/assoc|limits|qos|safe/.test(enforced))
    return succeed(null)
  const where = `cluster=${setting('ClusterName')}`
  const users = await rows(answer, ['user', 'where', `name=${user}`, where, 'WithAssoc'], userColumns)
  if (!users.ok) return users
  const accounts = await rows(answer, ['assoc', 'where', 'user=', where], accountColumns)
  if (!accounts.ok) return accounts
  const services = await rows(answer, ['qos'], qosColumns)
  if (!services.ok) return services
  const its = await answer(['scontrol', '--oneliner', 'show', 'partition', partition])
  if (!its.ok) return its
  const all = {
    associations: [...users.value.map((row) => userIn(user, row)), ...accounts.value.map(accountIn)],
    qos: services.value.map(qosIn),
    partitionQos: fieldOf(its.value, 'QoS') || null,
  }
  return succeed(/limits|safe/.test(enforced) ? all : withoutLimits(all))
}

const withoutLimits = ({ associations, qos, ...rest }: Accounting): Accounting => ({
  ...rest,
  associations: associations.map((one) => ({ ...one, limits: noLimits })),
  qos: qos.map((one) => ({ ...one, limits: noLimits })),
})

const userColumns = ['DefaultAccount', 'Account', 'Partition', 'QOS', 'DefaultQOS', 'GrpTRES', 'MaxTRES', 'MaxWall']
const accountColumns = ['Account', 'ParentName', 'GrpTRES']
const qosColumns = ['Name', 'Flags', 'GrpTRES', 'MaxTRES', 'MaxTRESPU', 'MaxTRESPA', 'MaxWall']

async function rows(answer: Answer, what: string[], columns: string[]): Promise<Outcome<string[][]>> {
  const said = await answer(['sacctmgr', '--noheader', '--parsable2', 'show', ...what, `format=${columns.join(',')}`])
  return mapped(said, (text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('|')),
  )
}

function userIn(user: string, row: readonly string[]): Association {
  const [byDefault, account = '', partition = '', qos = '', defaultQos = '', group = '', job = '', wall = ''] = row
  return {
    account,
    user,
    parent: '',
    partition,
    isDefault: account === byDefault,
    qos: qos.split(',').filter((one) => one !== ''),
    defaultQos,
    limits: { ...noLimits, job: tresOf(job), group: tresOf(group), mostMinutes: minutesOf(wall) },
  }
}

function accountIn([account = '', parent = '', group = '']: readonly string[]): Association {
  const none = { user: '', partition: '', isDefault: false, qos: [], defaultQos: '' }
  return { ...none, account, parent, limits: { ...noLimits, group: tresOf(group) } }
}

function qosIn([
  name = '',
  flags = '',
  group = '',
  job = '',
  user = '',
  account = '',
  wall = '',
]: readonly string[]): Qos {
  const limits = {
    job: tresOf(job),
    user: tresOf(user),
    account: tresOf(account),
    group: tresOf(group),
    mostMinutes: minutesOf(wall),
  }
  return { name, isOverPartition: flags.includes('OverPartQOS'), limits }
}

/** Amounts such as `gres/gpu=8,mem=2T`: memory is in MiB where no unit is told. */
export const tresOf = (text: string): Tres =>
  Object.fromEntries(
    text.split(',').flatMap((pair) => {
      const [, name = '', number, unit = 'M'] = /^([\w/:.-]+)=(\d+(?:\.\d+)?)([KMGTP])?$/.exec(pair) ?? []
      if (number === undefined) return []
      return [
        [name, name === 'mem' ? Math.floor(Number(number) * 1024 ** ('KMGTP'.indexOf(unit) - 1)) : Number(number)],
      ]
    }),
  )

/** Reads `scontrol show licenses`. */
export const licencesIn = (text: string): Licence[] =>
  text.split(/(?=LicenseName=)/).flatMap((one) => {
    const field = (name: string) => new RegExp(`${name}=(\\S+)`).exec(one)?.[1] ?? ''
    const [name, total, free] = [field('LicenseName'), Number(field('Total')), Number(field('Free'))]
    return name === '' ? [] : [{ name, total, free }]
  })

/** What accounting remembers of a job, if it is asked for times in seconds since the epoch; null where it knows none, or there is no accounting. */
export async function askRemembered(id: number, answer: Answer): Promise<Outcome<SlurmJob | null>> {
  const columns = '--format=JobIDRaw,JobName%200,State,Start,End,TimelimitRaw'
  const said = await answer(['sacct', '--noheader', '--parsable2', '--allocations', `--jobs=${id}`, columns])
  if (!said.ok) return said.fault.kind === 'unreachable' && /disabled/i.test(said.fault.detail) ? succeed(null) : said
  const line = said.value.split('\n').findLast((one) => one.startsWith(`${id}|`))
  if (line === undefined) return succeed(null)
  const [, name = '', state = '', start = '', end = '', limit = ''] = line.split('|')
  // `CANCELLED by 1000` says by whom.
  const [word = ''] = state.split(' ')
  const times = { startsAt: instantOf(start), endsAt: instantOf(end), minutes: Number(limit) || null }
  return word === ''
    ? fail('unreachable', 'later', `sacct said ${line}`)
    : succeed(endedJob({ id, name, state: word, ...times }))
}
