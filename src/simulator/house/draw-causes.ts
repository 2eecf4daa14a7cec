import type { WrittenSpec } from '#model/spec/spec.ts'
import type { Draw } from './chance.ts'
import { secretName } from './draw-work.ts'
import { behaviourEnv } from './process.ts'
import type { Step } from './story.ts'

type Room = { plane: string; workload: string; project: string }
/** A step but for its time. */
type Doing = Step extends infer Each ? (Each extends Step ? Omit<Each, 'at'> : never) : never

const look = (path: string): Doing => ({ do: 'look', path })

/** What makes a control plane make a call that it makes seldom; nothing where no one thing does. */
export function causesOf(draw: Draw, call: string, { plane, workload, project }: Room): Doing[] {
  const its = (what: string) => look(`/v1/workloads/${workload}${what}?project=${project}`)
  const upgrade: Doing = { do: 'upgrade', plane, downMs: 0 }
  const submit: Doing = { do: 'submit', spec: small(draw, project) }
  const secret = { do: 'secret', project, name: secretName } as const
  const causes: Record<string, Doing> = {
    'api.GET': look('/v1/server'),
    'api.PUT': { do: 'project', name: project, fields: { weight: 2 } },
    'projects.change': { do: 'project', name: project, fields: { weight: 2 } },
    'secrets.put': { ...secret, value: 'new' },
    'secrets.list': look(`/v1/secrets?project=${project}`),
    'secrets.find': look(`/v1/secrets/${secretName}?project=${project}`),
    'secrets.get': submit,
    'workloads.submit': submit,
    'idempotency.begin': submit,
    'idempotency.save': submit,
    // What is asked for by a wrong name is not kept, so that it may be asked again.
    'idempotency.forget': { do: 'stop', name: 'nobody', project },
    'workloads.find': its(''),
    'workloads.get': its(''),
    'workloads.attempts': its(''),
    'workloads.refusal': its('/why'),
    'plans.ofWorkload': its('/why'),
    'workloads.list': look('/v1/workloads'),
    'workloads.endpoints': look('/v1/endpoints'),
    'workloads.want': { do: 'release', name: workload, project },
    'workloads.prioritise': { do: 'priority', name: workload, project, priority: 1 },
    'ledger.cost': look('/v1/cost'),
    'ledger.spent': look('/v1/projects'),
    'events.latest': look('/v1/events'),
    'sites.kept': look('/v1/sites'),
  }
  const [noun] = call.split('.')
  if (noun === 'plans' && call !== 'plans.ofWorkload') return [{ ...submit, planned: true }]
  const atStart = ['prune', 'workloads.bundles', 'workloads.expired', 'workloads.forget', 'sites.put', 'market.spot']
  if ([...atStart, 'market.sites', 'claims.withdraw', 'claims.release'].includes(call)) return [upgrade]
  // Work that has its machines already waits for it: it comes back.
  if (call === 'secrets.remove' || call === 'api.DELETE')
    return [
      { ...secret, value: null },
      { ...secret, value: 'new' },
    ]
  return causes[call] ? [causes[call]] : []
}

/** A job that is over soon. */
const small = (draw: Draw, project: string): WrittenSpec => ({
  kind: 'job',
  name: `small-${draw.between(0, 999_999)}`,
  project,
  run: 'work',
  resources: { cpus: '1+', memory: '1GB+' },
  env: behaviourEnv({ runMs: 500, exitCode: 0, stopMs: 0 }),
  secrets: [secretName],
})
