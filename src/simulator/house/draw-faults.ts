import type { Draw } from './chance.ts'
import { isRead } from './database.ts'
import { causesOf } from './draw-causes.ts'
import { troubles } from './draw-cloud.ts'
import type { Measure } from './measure.ts'
import type { Step, Story } from './story.ts'

type Targets = Pick<Measure, 'unrest'> & {
  calmAt: number
  sites: string[]
  workloads: string[]
  planes: Story['planes']
}

/** The calls at which a process may meet something: of any kind, of a noun, or one in particular. */
const often = [
  '',
  'provider.',
  'api.POST',
  'apply',
  ...inNoun('provider', 'offers launch launch get list retire retire logs'),
  ...inNoun('operations', 'claim settle settle nextAt'),
  ...inNoun('placement', 'snapshot commit commit nextAt'),
  ...inNoun('follow', 'due nextDueAt'),
  ...inNoun('claims', 'take keep announce'),
  ...inNoun('sites', 'list offered reached count differing saw orphans'),
  ...inNoun('agents', 'view views report heard tasks'),
  ...inNoun('ledger', 'unmetered add'),
] as const

/** Those that a process makes at its start, once an hour, or when somebody asks: the first of them is met. */
const seldom = [
  ...inNoun('api', 'GET PUT DELETE'),
  ...inNoun(
    'workloads',
    'submit get find want prioritise list attempts refusal endpoints bundles expired forget failedTasks',
  ),
  ...inNoun('idempotency', 'begin save forget'),
  ...inNoun('projects', 'list change'),
  ...inNoun('plans', 'add get applied ofWorkload'),
  ...inNoun('secrets', 'put remove get list find'),
  ...inNoun('market', 'spot sites sent'),
  ...inNoun('sites', 'put kept began'),
  ...inNoun('claims', 'withdraw release'),
  ...inNoun('ledger', 'spent warnOnce cost'),
  ...inNoun('events', 'add latest'),
  ...inNoun('agents', 'report tasks'),
  ...inNoun('placement', 'usage'),
  'prune',
] as const

function inNoun(noun: string, methods: string): string[] {
  return methods.split(' ').map((method) => `${noun}.${method}`)
}

type Target = { call: string; nth: number }

/** Which call is met. Half of them are such as are made seldom: they would hardly be met otherwise. */
function targetOf(draw: Draw, isMeant: (call: string) => boolean = () => true): Target {
  const isSeldom = draw.chance(0.5)
  const call = draw.any((isSeldom ? seldom : often).filter(isMeant), '')
  return { call, nth: isSeldom ? 1 : draw.of([1, 1, 1, 2, 7, 30]) }
}

const isOfStore = (call: string): boolean => !/^(provider|api)\./.test(call)

const downMs = (draw: Draw): number => draw.of([0, 1_000, 10_000, 120_000])

/** A fault, and what makes the call that it is to meet, where that is made seldom: asked once of each control plane. */
export function faultOf(draw: Draw, targets: Targets): Step[] {
  const fault = onlyFaultOf(draw, targets)
  if (!('call' in fault)) return [fault]
  const workload = draw.any(targets.workloads, 'work-0')
  const causes = causesOf(draw, fault.call, { plane: fault.plane, workload, project: draw.of(['default', 'team']) })
  const steps = causes.flatMap((cause, i) =>
    targets.planes.map((_, turn): Step => ({ ...cause, at: fault.at + 1 + 2_000 * i + 100 * turn })),
  )
  return [fault, ...steps]
}

function onlyFaultOf(draw: Draw, { calmAt, sites, planes, unrest }: Targets): Step {
  const at = draw.between(0, calmAt * 0.8)
  const plane = draw.any(planes, { name: 'a', skewMs: 0 }).name
  const site = draw.any(sites, 'site-0')
  const forMs = draw.of([500, 5_000, 15_000, 90_000, 400_000])
  const edge = draw.of(['before', 'after'])
  switch (draw.of(kinds)) {
    case 'kill':
      return { at, do: 'kill', plane, ...targetOf(draw), edge, downMs: downMs(draw) }
    case 'pause':
      return { at, do: 'pause', plane, ...targetOf(draw), edge, forMs }
    case 'database': {
      const how = draw.of(['fail', 'lose-reply', 'lose-reply', 'full', 'collide'])
      const target = targetOf(draw, (call) => isOfStore(call) && (how === 'fail' || !isRead(call)))
      return { at, do: 'database', plane, ...target, times: draw.of([1, 1, 3, 20]), how }
    }
    case 'upgrade':
      return { at, do: 'upgrade', plane, downMs: downMs(draw) }
    case 'restart':
      return {
        at,
        do: 'restart-database',
        forMs: draw.of([200, 2_000, 20_000]),
        ...(draw.chance(0.5) && { crash: true as const }),
      }
    case 'deafen':
      return { at, do: 'deafen', plane, forMs }
    case 'cut': {
      const how = draw.of(['unreachable', 'hanging', 'lost'])
      return {
        at,
        do: 'cut',
        site,
        how,
        forMs,
        ...(how === 'lost' && draw.chance(0.2 * unrest) && { forGood: true as const }),
      }
    }
    case 'sever':
      return { at, do: 'sever', site, forMs }
    case 'strike': {
      const how = draw.of(['die', 'crash', 'hang', 'hang'])
      return { at, do: 'strike', site, how, share: draw.of([0.2, 0.5, 1]), forMs: draw.of([5_000, 90_000, 1_200_000]) }
    }
    case 'befall':
      return { at, do: 'befall', site, trouble: draw.of(troubles), forMs }
  }
}

/** As often as each is named here. */
const kinds = [
  ...(['kill', 'kill', 'kill', 'kill', 'pause', 'pause', 'database', 'database', 'upgrade'] as const),
  ...(['restart', 'deafen', 'cut', 'sever', 'strike', 'befall'] as const),
] as const
