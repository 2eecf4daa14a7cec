import type { WrittenSpec } from '#model/spec/spec.ts'
import { startReader } from './readers.ts'
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
      return void (step.planned ? planning(world, step.spec) : asking(world, 'POST /v1/workloads', textOf(step.spec)))
    case 'stop':
    case 'hold':
    case 'release':
      return void asking(world, `POST /v1/workloads/${step.name}/${step.do}?project=${step.project}`)
    case 'priority':
      return void asking(world, `PUT /v1/workloads/${step.name}/priority?project=${step.project}`, {
        priority: step.priority,
      })
    case 'project':
      return void asking(world, `PUT /v1/projects/${step.name}`, step.fields)
    case 'secret':
      return putSecret(step, world)
    case 'look':
      return void asking(world, `GET ${step.path}`)
    case 'undeclare':
      return undeclare(step, world)
    case 'follow':
      return void world.readers.push(startReader(step, world))
    case 'supply': {
      const { site, at: _, do: __, ...supply } = step
      return cloud.change(site, supply)
    }
    case 'upgrade':
      return void world.planes.upgrade(step.plane, step.downMs)
    case 'cut':
      if (step.how === 'lost') cloud.lose(step.site, step.forGood)
      else cloud.cut(step.site, step.how)
      return later(step.forMs, () => cloud.restore(step.site))
    case 'node':
      return changeNode(step, world)
    case 'befall':
      return cloud.befall(step.site, step.trouble, { until: clock.now() + step.forMs })
    case 'sever':
      network.cut(step.site, true)
      return later(step.forMs, () => network.cut(step.site, false))
    case 'strike':
      return world.ranks.strike(step)
    case 'kill':
      return world.planes.lives.get(step.plane)?.ambush({ ...step, blow: 'die' })
    case 'pause':
      return world.planes.lives.get(step.plane)?.ambush({ ...step, blow: 'pause' })
    case 'database':
      return database.ambush(step)
    case 'restart-database':
      return restart(step, world)
    case 'deafen':
      return database.deafen(step.plane, step.forMs)
  }
}

function putSecret({ name, project, value }: Extract<Step, { do: 'secret' }>, world: World): void {
  const secret = `/v1/secrets/${name}?project=${project}`
  void asking(world, `${value === null ? 'DELETE' : 'PUT'} ${secret}`, value ?? undefined)
}

/** What is declared is read at a start: so all control planes start anew. */
function undeclare({ site, forMs }: Extract<Step, { do: 'undeclare' }>, world: World): void {
  world.undeclared.add(site)
  startAnew(world)
  void world.clock.sleep(forMs).then(() => world.undeclared.has(site) && declareAgain([site], world))
}

/** These sites are known again from now on. */
export function declareAgain(sites: readonly string[], world: World): void {
  for (const site of sites) world.undeclared.delete(site)
  if (sites.length > 0) startAnew(world)
}

function startAnew({ planes }: World): void {
  for (const plane of planes.lives.keys()) void planes.upgrade(plane, 0)
}

/** What hangs stays so. */
function changeNode({ site, node, how, forMs }: Extract<Step, { do: 'node' }>, { clock, cloud }: World): void {
  cloud.changeNode(site, node, how)
  if (how !== 'hung') void clock.sleep(forMs).then(() => cloud.changeNode(site, node, 'up'))
}

function restart({ crash, forMs }: Extract<Step, { do: 'restart-database' }>, world: World): void {
  const { backing, database, watch } = world
  if (crash) {
    backing.crash?.()
    watch.noteCrash()
  }
  database.away(forMs)
}

const textOf = (spec: WrittenSpec) => ({ text: JSON.stringify(spec) })

/** Somebody asks where it would go, and then for just that. */
async function planning(world: World, spec: WrittenSpec): Promise<void> {
  const plan = await asking(world, 'POST /v1/plans', textOf(spec))
  if (typeof plan !== 'object' || plan === null || !('id' in plan)) return
  await asking(world, `POST /v1/plans/${plan.id}/apply`)
}

/** People ask for something, and what they hear is noted and given back. */
export async function asking({ ask, clock, trace }: World, asked: string, body?: unknown): Promise<unknown> {
  const [method = '', path = ''] = asked.split(' ')
  const answer = await ask(method, path, body)
  trace.note({
    at: clock.now(),
    who: 'people',
    what: asked,
    outcome: answer ? String(answer.status) : 'no answer',
  })
  return answer?.json
}
