import type { WrittenSpec } from '#model/spec/spec.ts'
import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import { behaviourEnv } from './process.ts'
import type { Step } from './story.ts'

type Room = Pick<Measure, 'runMs' | 'agents' | 'submits'> & {
  calmAt: number
  projects: readonly [string, ...string[]]
  sites: string[]
}

/** A workload that somebody submits, and what is asked of it later. */
export function lifeOf(draw: Draw, name: string, room: Room): Step[] {
  const at = draw.between(0, room.calmAt * room.submits)
  const spec = specOf(draw, name, room)
  const whose = { name, project: spec.project ?? 'default' }
  const steps: Step[] = [{ at, do: 'submit', spec, ...(draw.chance(0.1) && { planned: true as const }) }]
  const later = (): number => draw.between(at, room.calmAt)
  if (draw.chance(0.2)) steps.push({ at: later(), do: 'stop', ...whose })
  if (draw.chance(0.1)) {
    const heldAt = later()
    steps.push({ at: heldAt, do: 'hold', ...whose }, { at: draw.between(heldAt, room.calmAt), do: 'release', ...whose })
  }
  if (draw.chance(0.1)) steps.push({ at: later(), do: 'priority', ...whose, priority: draw.between(-5, 5) })
  return steps
}

/** The secret that some work names. */
export const secretName = 'TOKEN'

const dataSet = (site: string) => ({ name: 'tokens', location: 's3://tokens', site: `simulated/${site}`, size: '10GB' })

const endings = ['stop', 'finish'] as const

function specOf(draw: Draw, name: string, { projects, sites, ...room }: Room): WrittenSpec {
  const kind = draw.of(room.agents > 0 ? ['job', 'job', 'job', 'service', 'array'] : ['job', 'job', 'job', 'service'])
  const runMs = draw.of(room.runMs)
  const exitCode = draw.chance(0.15) ? draw.of([1, 3]) : 0
  const common = {
    name,
    project: draw.of(projects),
    run: 'work',
    // Exactly so much no node has: that can never be placed.
    resources: draw.chance(0.04) ? { cpus: 1, memory: '1GB' } : { cpus: draw.of(['1+', '2+', '4+']), memory: '1GB+' },
    env: behaviourEnv({ runMs, exitCode, stopMs: draw.of([0, 500, 20_000]) }),
    checkpoint: { grace: draw.of(['1s', '5s', '30s']) },
    retry: { onLoss: draw.of([0, 2, 20]), onExit: draw.chance(0.5) ? [3] : [], times: 2 },
    priority: draw.chance(0.3) ? draw.between(-3, 3) : 0,
    ...(draw.chance(0.1) && { budget: { limit: `$${draw.between(1, 20) / 100}`, whenUsed: draw.of(endings) } }),
    ...(draw.chance(0.1) && { duration: { maximum: '60s' } }),
    ...(draw.chance(0.05) && { expiry: '300s' }),
    ...(draw.chance(0.1) && { secrets: [secretName] }),
    ...(draw.chance(0.1) && { data: [dataSet(draw.any(sites, 'site-0'))] }),
    ...(draw.chance(0.1) && { placement: { sites: [`simulated/${draw.any(sites, 'site-0')}`] } }),
  } as const
  if (kind === 'service') return { ...common, kind, ports: [80], replicas: draw.between(1, 3) }
  if (kind === 'array') {
    // Its tasks are many, and one after another.
    const env = behaviourEnv({ runMs: Math.min(runMs, 30_000), exitCode, stopMs: 500 })
    return { ...common, kind, env, tasks: draw.between(1, 30), parallelism: draw.between(1, 12) }
  }
  // Now and then a gang that no site can hold.
  return { ...common, kind, nodes: draw.chance(0.07) ? 500 : draw.of([1, 1, 1, 2, 4, 8]) }
}
