import type { Step } from './story.ts'
import type { World } from './world.ts'

/** Does what a step says. What people ask for goes its own way; nobody waits for the answer. */
export function carryOut(step: Step, world: World): void {
  const { clock, cloud, database, network, trace } = world
  const later = (milliseconds: number, then: () => void): void => {
    void clock.sleep(milliseconds).then(then)
  }
  const said = (what: string, outcome = ''): void => trace.note({ at: clock.now(), who: 'story', what, outcome })
  const { at: _at, ...rest } = step
  said(step.do === 'submit' ? `submit ${step.spec.name}` : JSON.stringify(rest))
  switch (step.do) {
    case 'submit':
      return void asking(world, 'POST /v1/workloads', { text: JSON.stringify(step.spec) })
    case 'stop':
    case 'hold':
    case 'release':
      return void asking(world, `POST /v1/workloads/${step.name}/${step.do}?project=${step.project}`)
    case 'priority':
      return void asking(world, `PUT /v1/workloads/${step.name}/priority?project=${step.project}`, {
        priority: step.priority,
      })
    case 'cut':
      if (step.how === 'lost') cloud.lose(step.site)
      else cloud.cut(step.site, step.how)
      return later(step.forMs, () => cloud.restore(step.site))
    case 'befall':
      return cloud.befall(step.site, step.trouble, { until: clock.now() + step.forMs })
    case 'sever':
      network.cut(step.site, true)
      return later(step.forMs, () => network.cut(step.site, false))
    case 'kill':
      return world.planes.lives.get(step.plane)?.ambush({ ...step, blow: 'die' })
    case 'pause':
      return world.planes.lives.get(step.plane)?.ambush({ ...step, blow: 'pause' })
    case 'database':
      return database.ambush(step)
    case 'restart-database':
      return database.away(step.forMs)
    case 'deafen':
      return database.deafen(step.plane, step.forMs)
  }
}

/** People ask for something, and what they hear is noted. */
export async function asking({ ask, clock, trace }: World, asked: string, body?: unknown): Promise<void> {
  const [method = '', path = ''] = asked.split(' ')
  const answer = await ask(method, path, body)
  trace.note({
    at: clock.now(),
    who: 'people',
    what: asked,
    outcome: answer ? String(answer.status) : 'no answer',
  })
}
