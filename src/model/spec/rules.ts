import type { Instant } from '#kit/clock.ts'
import { formatInstant } from '#kit/instant.ts'
import { slotsPerWorker } from '#model/workload.ts'
import { pathText } from './explain.ts'
import type { BrokenRule } from './problem.ts'
import { roleRules } from './roles.ts'
import type { Kind } from './schema-walk.ts'
import type { Spec } from './spec.ts'
import { throughputRules } from './throughput.ts'
import { topologyRules } from './topology-rules.ts'

/** What Isobar sets itself, whatever a spec says: such names could not be honoured. */
const isReserved = (name: string, kind: Kind): boolean =>
  name.startsWith('ISOBAR_') || (kind === 'service' && /^PORT(_\d+)?$/.test(name))

const longestGraceMs = 24 * 3_600_000
const shortestPeriodMs = 100

/** Checks a spec across its fields, and against the time if that is given. Empty when all is well. */
export const brokenRules = (spec: Spec, now?: Instant): BrokenRule[] => [
  ...durations(spec),
  ...deadlines(spec, now),
  ...environment(spec),
  ...roleRules(spec),
  ...placement(spec),
  ...throughputRules(spec),
  ...topologyRules(spec),
  ...ofService(spec),
  ...ofArray(spec),
]

function durations({ duration, checkpoint, expiry }: Spec): BrokenRule[] {
  const broken: BrokenRule[] = []
  const { expectedMs, maximumMs } = duration
  if (expectedMs !== undefined && maximumMs !== undefined && expectedMs > maximumMs) {
    broken.push({
      path: ['duration', 'expected'],
      message: 'it is expected to run longer than it may',
      fix: 'raise duration.maximum or lower duration.expected',
    })
  }
  const zero = { message: 'a duration of zero would end it at once', fix: 'write a longer one, or remove the field' }
  if (expectedMs === 0) broken.push({ path: ['duration', 'expected'], ...zero })
  if (maximumMs === 0) broken.push({ path: ['duration', 'maximum'], ...zero })
  if (expiry === 0) broken.push({ path: ['expiry'], ...zero })
  if (checkpoint.graceMs > longestGraceMs) {
    broken.push({ path: ['checkpoint', 'grace'], message: 'must be at most a day', fix: 'write 24h or less' })
  }
  return broken
}

function deadlines({ deadline }: Spec, now: Instant | undefined): BrokenRule[] {
  if (deadline === undefined || now === undefined || deadline > now) return []
  const message = `${formatInstant(deadline)} is past: it is ${formatInstant(now)} now, so it could only fail`
  return [{ path: ['deadline'], message, fix: 'write a later one, or remove the field' }]
}

const reserved = (path: PropertyKey[], name: string): BrokenRule => ({
  path,
  message: `${name} is set by Isobar itself`,
  fix: 'choose another name',
})

function environment(spec: Spec): BrokenRule[] {
  const { kind, env, secrets } = spec
  const roles = kind === 'job' ? (spec.roles ?? []) : []
  const envs: [path: PropertyKey[], names: string[]][] = [
    [['env'], Object.keys(env)],
    ...roles.map((role, index): [PropertyKey[], string[]] => [['roles', index, 'env'], Object.keys(role.env)]),
  ]
  return [
    ...envs.flatMap(([path, names]) =>
      names.filter((name) => isReserved(name, kind)).map((name) => reserved([...path, name], name)),
    ),
    ...secrets.flatMap((name, index) => {
      const path = ['secrets', index]
      if (isReserved(name, kind)) return [reserved(path, name)]
      const other = envs.find(([, names]) => names.includes(name))?.[0]
      if (other) return [{ path, message: `${pathText(other)} sets ${name} too`, fix: 'keep it in one of the two' }]
      if (secrets.indexOf(name) < index) return [{ path, message: `${name} is there twice`, fix: 'remove one' }]
      return []
    }),
  ]
}

function placement({ kind, placement: { sites = [], providers, spread } }: Spec): BrokenRule[] {
  const broken: BrokenRule[] = sites.flatMap((site, index) => {
    const [provider = ''] = site.split('/')
    if (!providers || providers.some((each) => each === provider)) return []
    const message = `${site} is at none of the providers that placement.providers allows`
    return [{ path: ['placement', 'sites', index], message, fix: `remove it, or add ${provider} to the providers` }]
  })
  if (kind !== 'service' && spread !== 'none') {
    broken.push({
      path: ['placement', 'spread'],
      message: `only the replicas of a service can be kept apart, and this is a ${kind}`,
      fix: 'remove it, or write kind: service',
    })
  }
  return broken
}

function ofService(spec: Spec): BrokenRule[] {
  if (spec.kind !== 'service') return []
  const broken: BrokenRule[] = []
  const { replicas, ports, readiness } = spec
  if (replicas.min !== replicas.max) {
    broken.push({
      path: ['replicas'],
      message: 'a range cannot be honoured yet: Isobar does not scale services by itself',
      fix: `write one number, such as replicas: ${replicas.max}`,
    })
  }
  ports.forEach((port, index) => {
    if (ports.indexOf(port) < index) {
      broken.push({ path: ['ports', index], message: `${port} is there twice`, fix: 'remove one' })
    }
  })
  if (readiness.periodMs < shortestPeriodMs || readiness.timeoutMs === 0) {
    const path = ['readiness', readiness.timeoutMs === 0 ? 'timeout' : 'period']
    broken.push({ path, message: 'this is too short to check anything', fix: `write ${shortestPeriodMs}ms or more` })
  }
  return broken
}

/** Workers of one array at the most. */
const mostWorkers = 125_000

function ofArray(spec: Spec): BrokenRule[] {
  if (spec.kind !== 'array') return []
  const broken: BrokenRule[] = []
  if (spec.nodes > 1) {
    const message = 'each task of an array runs on one node'
    broken.push({ path: ['nodes'], message, fix: 'remove nodes, or write kind: job for a gang' })
  }
  const slots = slotsPerWorker(spec)
  if (spec.parallelism > mostWorkers * slots) {
    const each = slots === 1 ? 'have a worker each' : `stand ${slots} on a worker`
    const message = `tasks of this size ${each}, and these would be too many workers`
    broken.push({ path: ['parallelism'], message, fix: `write ${mostWorkers * slots} or less` })
  }
  return broken
}
