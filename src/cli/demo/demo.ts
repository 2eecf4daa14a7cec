import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Call } from '#cli/call.ts'
import { submit } from '#cli/commands/submit.ts'
import { exitCodes } from '#cli/fault.ts'
import { colours, note, paint, write } from '#cli/io.ts'
import { renderTable } from '#cli/output/table.ts'
import { count } from '#cli/output/words.ts'
import { workloadPath, type Api } from '#cli/client.ts'
import type { CostView, WhyView, WorkloadDetail } from '#api/views.ts'
import { checkAll, type Check } from './checks.ts'
import { attemptsOf, detailOf } from './look.ts'
import { specText } from './specs.ts'
import { watchService } from './vigil.ts'
import { openWorld, type SiteName, type World } from './world.ts'

const tasks = 500
const mostMs = 180_000

/**
 * Three sites, a training gang, a service and an array; the site with the gang dies without warning and comes back. It
 * tells the story as it goes, checks what it claims, and ends with 0 only if all of it was true.
 */
export async function demo({ io }: Call): Promise<number> {
  const began = Date.now()
  const tell = (line: string) =>
    note(io, `${paint(clockOf(Date.now() - began), 'dim', colours(io, 'stderr'))}  ${line}`)
  tell(
    'Starting a control plane of its own, with three sites: west (US), north (Sweden) and east (Japan, the cheapest).',
  )
  const world = await openWorld(io)
  try {
    return await story({ io, world, tell })
  } finally {
    await world.close()
  }
}

type Telling = { io: Call['io']; world: World; tell: (line: string) => void }

async function story({ io, world, tell }: Telling): Promise<number> {
  const { api } = world
  await submit({ io, api, text: specText(world.marks), filename: 'demo.yaml' })
  tell('Submitted: a training gang of 4 nodes, a service of 3 replicas, and an array of 500 tasks.')
  await until('the service to be ready', async () => (await detailOf(api, 'web')).ready === 3)
  for (const name of ['train', 'web', 'rollouts']) tell(`  ${name}: ${placesOf(await detailOf(api, name))}`)
  const token = readFileSync(join(world.home, 'token'), 'utf8').trim()
  const vigil = await watchService(api, { name: 'web', token, possible: 3 })
  await until('the gang to pass its second checkpoint', async () => /saved step 50\b/.test(await trainLog(world)))
  const train = await detailOf(api, 'train')
  const site = siteOf(train)
  const before = await attemptsOf(api)
  const lostAttempts = before.filter(({ at, live }) => at === `local/${site}` && live)
  const replicasThere = lostAttempts.filter(({ workload }) => workload === 'web').length
  vigil.expect(3 - replicasThere)
  const killed = await world.lose(site)
  tell(`Lost site ${site}: ${killed} processes killed with SIGKILL, and it no longer answers.`)
  await until('the gang to run elsewhere', async () => siteOf(await detailOf(api, 'train')) !== site)
  const moved = await detailOf(api, 'train')
  const { text } = await api.get<WhyView>(workloadPath('train', '/why'))
  tell(`  train: ${text.split('\n').find((line) => line.startsWith('Attempt 2')) ?? moved.summary}`)
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
  await until('the last entry of the bill', () => billed(api))
  tell('All work has ended. Looking whether it was as it should be:')
  const { checks, repeatedSteps } = await checkAll({ world, lostAttempts, watched, tasks })
  for (const check of checks) tell(verdict(check, colours(io, 'stderr')))
  await write(io, `${await table(io, world, repeatedSteps)}\n`)
  return checks.every(({ ok }) => ok) ? exitCodes.done : exitCodes.failed
}

/** Whether the bill of each workload has come up with what its attempts have cost. */
async function billed(api: Api): Promise<boolean> {
  const details = await Promise.all(['train', 'web', 'rollouts'].map((name) => detailOf(api, name)))
  return details.every(({ spent, attemptList }) => {
    const over = attemptList.every(({ lease }) => lease === null || ['gone', 'refused'].includes(lease.state))
    return over && BigInt(spent.micros) === attemptList.reduce((sum, attempt) => sum + BigInt(attempt.spent.micros), 0n)
  })
}

const verdict = ({ claim, ok, detail }: Check, colour: boolean): string =>
  `  ${ok ? paint('true ', 'green', colour) : paint('FALSE', 'red', colour)} ${claim} (${detail})`

/** Waits until something is so. Its end is the demo's failure, told with what was waited for. */
async function until(what: string, so: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + mostMs
  while (!(await so())) {
    if (Date.now() > deadline) throw new Error(`The demo waited in vain for ${what}`)
    await sleep(100)
  }
}

const clockOf = (ms: number): string => `${(ms / 1000).toFixed(1).padStart(5)}s`
const placesOf = ({ sites, pricePerHour }: WorkloadDetail): string => `${sites.join(', ')} for ${pricePerHour.text}/h`

/** Where the newest attempt of the gang runs. */
const siteOf = ({ attemptList }: WorkloadDetail): SiteName => {
  const newest = attemptList.find(({ state }) => state === 'running' || state === 'succeeded') ?? attemptList[0]
  return (newest?.site ?? 'local/east').split('/')[1] as SiteName // the demo has no other sites
}

async function trainLog({ api }: World): Promise<string> {
  const { readText } = await import('#cli/client.ts')
  return readText(await api.open('GET', workloadPath('train', '/logs')))
}

type Row = { detail: WorkloadDetail; lost: number; why: string[] }

/** What each workload came to, and below that why each of its attempts went where it went. */
async function table(io: Call['io'], { api }: World, repeatedSteps: number): Promise<string> {
  const rows = await Promise.all(['train', 'web', 'rollouts'].map((name) => rowOf(api, name)))
  const cost = await api.get<CostView>('/v1/cost', { by: 'workload' })
  const lostWork = ({ detail, lost }: Row): string => {
    if (detail.name === 'train') return `${repeatedSteps} steps done again`
    return detail.name === 'web' ? count(lost, 'replica') : `${count(lost, 'worker')}, no task`
  }
  const body = renderTable(
    rows,
    [
      { title: 'WORKLOAD', cell: ({ detail }) => detail.name },
      { title: 'ENDED', cell: ({ detail }) => detail.state },
      { title: 'ATTEMPTS', cell: ({ detail }) => String(detail.attempts), right: true },
      { title: 'LOST ATTEMPTS', cell: ({ lost }) => String(lost), right: true },
      { title: 'LOST WORK', cell: lostWork },
      { title: 'COST', cell: ({ detail }) => detail.spent.text, right: true },
    ],
    { width: io.width, wide: false, colour: colours(io, 'stdout') },
  )
  const reasons = rows.map(({ detail, why }) => [`Why ${detail.name}:`, ...why.map((line) => `  ${line}`)].join('\n'))
  return `${body.trimEnd()}\nIn all: ${cost.total.text}\n\n${reasons.join('\n')}`
}

async function rowOf(api: Api, name: string): Promise<Row> {
  const [detail, why] = await Promise.all([detailOf(api, name), api.get<WhyView>(workloadPath(name, '/why'))])
  const attempts = why.text.split('\n').filter((line) => line.startsWith('Attempt'))
  const lost = detail.attemptList.filter(({ state }) => state === 'lost').length
  return { detail, lost, why: attempts.toReversed() }
}
