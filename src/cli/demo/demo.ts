import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Call } from '#cli/call.ts'
import { submit } from '#cli/commands/submit.ts'
import { write } from '#cli/io.ts'
import { count } from '#cli/output/words.ts'
import { workloadPath } from '#cli/client.ts'
import type { WorkloadDetail } from '#api/views.ts'
import { checkAll } from './checks.ts'
import { attemptsOf, detailOf, logOf, whyOf } from './look.ts'
import { specText } from './specs.ts'
import { billed, table, type Row } from './table.ts'
import { tellStory, type Telling } from './telling.ts'
import { watchService } from './vigil.ts'
import { openWorld, type SiteName, type World } from './world.ts'

const tasks = 500
const names = ['train', 'web', 'rollouts']

/**
 * Three sites, a training gang, a service and an array; the site with the gang dies without warning and comes back. It
 * tells the story as it goes, checks what it claims, and ends with 0 only if all of it was true. With `--real` two of the
 * sites are clusters of real servers.
 */
export async function demo({ io, flag }: Call): Promise<number> {
  if (flag('real')) return (await import('./real.ts')).runReal(io)
  return tellStory(io, async (telling) => {
    telling.tell(
      'Starting a control plane of its own, with three sites: west (US), north (Sweden) and east (Japan, the cheapest).',
    )
    const world = await openWorld(io)
    try {
      return await story(world, telling)
    } finally {
      await world.close()
    }
  })
}

async function story(world: World, { io, tell, until, judge }: Telling): Promise<number> {
  const { api } = world
  await submit({ io, api, text: specText(world.marks), filename: 'demo.yaml' })
  tell('Submitted: a training gang of 4 nodes, a service of 3 replicas, and an array of 500 tasks.')
  await until('the service to be ready', async () => (await detailOf(api, 'web')).ready === 3)
  for (const name of names) tell(`  ${name}: ${placesOf(await detailOf(api, name))}`)
  const token = readFileSync(join(world.home, 'token'), 'utf8').trim()
  const vigil = await watchService(api, { name: 'web', token, possible: 3 })
  await until('the gang to pass its second checkpoint', async () => /saved step 50\b/.test(await logOf(api, 'train')))
  const train = await detailOf(api, 'train')
  const site = siteOf(train)
  const before = await attemptsOf(api)
  const lostAttempts = before.filter(({ at, live }) => at === `local/${site}` && live)
  const replicasThere = lostAttempts.filter(({ workload }) => workload === 'web').length
  vigil.expect(3 - replicasThere)
  const killed = await world.lose(site)
  tell(`Lost site ${site}: ${killed} processes killed with SIGKILL, and it no longer answers.`)
  await until('the gang to run elsewhere', async () => siteOf(await detailOf(api, 'train')) !== site)
  tell(`  train: ${await whyOf(api, 'train', 2)}`)
  await until('three replicas of the service elsewhere', async () => (await detailOf(api, 'web')).ready === 3)
  vigil.expect(3)
  tell(`  web: 3 replicas are ready again: ${placesOf(await detailOf(api, 'web'))}`)
  world.bringBack(site)
  tell(`Site ${site} is back. What was there is fenced and cleaned up.`)
  await until('the array to end', async () => (await detailOf(api, 'rollouts')).endedAt !== null)
  await until('the gang to end', async () => (await detailOf(api, 'train')).endedAt !== null)
  const ids = new Set(lostAttempts.map(({ attempt }) => attempt.id))
  await until('the old attempts to be gone', async () =>
    (await attemptsOf(api)).every(({ attempt }) => !ids.has(attempt.id) || attempt.lease?.state === 'gone'),
  )
  const watched = await vigil.end()
  await api.send('POST', workloadPath('web', '/stop'))
  await until('the service to stop', async () => (await detailOf(api, 'web')).endedAt !== null)
  await until('the last entry of the bill', () => billed(api, names))
  tell('All work has ended. Looking whether it was as it should be:')
  const { checks, repeatedSteps } = await checkAll({ world, lostAttempts, watched, tasks })
  const code = judge(checks)
  await write(io, `${await table(io, api, { names, lostWork: lostWork(repeatedSteps) })}\n`)
  return code
}

const placesOf = ({ sites, pricePerHour }: WorkloadDetail): string => `${sites.join(', ')} for ${pricePerHour.text}/h`

/** Where the newest attempt of the gang runs. */
const siteOf = ({ attemptList }: WorkloadDetail): SiteName => {
  const newest = attemptList.find(({ state }) => state === 'running' || state === 'succeeded') ?? attemptList[0]
  return (newest?.site ?? 'local/east').split('/')[1] as SiteName // the demo has no other sites
}

const lostWork =
  (repeatedSteps: number) =>
  ({ detail, lost }: Row): string => {
    if (detail.name === 'train') return `${repeatedSteps} steps done again`
    return detail.name === 'web' ? count(lost, 'replica') : `${count(lost, 'worker')}, no task`
  }
