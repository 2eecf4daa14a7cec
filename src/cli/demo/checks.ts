import { readdirSync } from 'node:fs'

import type { Api } from '#cli/client.ts'
import type { CostView } from '#api/views.ts'
import { attemptsOf, detailOf, logOf, type Seen } from './look.ts'
import { trainSteps } from './specs.ts'
import type { Watched } from './vigil.ts'
import type { World } from './world.ts'

/** One thing that the demo claims, and whether it was so. */
export type Check = { claim: string; ok: boolean; detail: string }

export type Evidence = { world: World; lostAttempts: Seen[]; watched: Watched; tasks: number }

/** Looks at everything that the demo claims. */
export async function checkAll(evidence: Evidence): Promise<{ checks: Check[]; repeatedSteps: number }> {
  const { api } = evidence.world
  const losses = await checkLosses(api)
  const checks = [
    ...losses.checks,
    checkService(evidence.watched),
    await checkTasks(evidence),
    await checkFences(evidence),
    await checkLedger(api),
  ]
  return { checks, repeatedSteps: losses.repeated }
}

/** Step and loss of each line that rank 0 wrote in an attempt of a training run. */
export async function lossesOf(api: Api, name: string, attempt: number): Promise<Map<number, string>> {
  const lines = (await logOf(api, name, { attempt, rank: 0 })).matchAll(/^step (\d+)\/\d+ loss (\S+)$/gm)
  return new Map([...lines].map(([, step, loss]) => [Number(step), loss ?? '']))
}

async function checkLosses(api: Api): Promise<{ checks: Check[]; repeated: number }> {
  const train = await detailOf(api, 'train')
  const curves = await Promise.all(train.attemptList.toReversed().map(({ number }) => lossesOf(api, 'train', number)))
  const whole = new Map<number, string>()
  let repeated = 0
  let differing = 0
  for (const [step, loss] of curves.flatMap((curve) => [...curve])) {
    const before = whole.get(step)
    if (before !== undefined) repeated++
    if (before !== undefined && before !== loss) differing++
    whole.set(step, loss)
  }
  const gaps = whole.size !== trainSteps
  const ended = {
    claim: 'the training run finished on another site',
    ok: train.state === 'succeeded' && train.attempts > 1,
    detail: `${train.state} after ${train.attempts} attempts`,
  }
  const curve = {
    claim: 'its loss curve is unbroken, bit for bit where steps were repeated',
    ok: !gaps && differing === 0 && repeated > 0,
    detail: `${whole.size} steps, ${repeated} of them repeated after the checkpoint, ${differing} different`,
  }
  return { checks: [ended, curve], repeated }
}

function checkService({ requests, failed, fewest }: Watched): Check {
  return {
    claim: 'the service never had fewer ready replicas than it could have',
    ok: failed === 0 && fewest.answering >= fewest.possible,
    detail: `${fewest.answering} of ${fewest.possible} at worst; ${requests} requests through the gateway, ${failed} failed`,
  }
}

async function checkTasks({ world, tasks }: Evidence): Promise<Check> {
  const { api, marks } = world
  const array = await detailOf(api, 'rollouts')
  const marked = readdirSync(marks).filter((name) => !name.startsWith('.'))
  const counted = array.tasks?.succeeded ?? 0
  return {
    claim: 'no task of the array was lost or counted twice',
    ok: array.state === 'succeeded' && counted === tasks && marked.length === tasks && array.tasks?.failed === 0,
    detail: `${counted} of ${tasks} tasks succeeded, ${marked.length} left their mark`,
  }
}

async function checkFences({ world, lostAttempts }: Evidence): Promise<Check> {
  const now = new Map((await attemptsOf(world.api)).map((seen) => [seen.attempt.id, seen.attempt]))
  const gone = lostAttempts.filter(({ attempt }) => now.get(attempt.id)?.lease?.state === 'gone')
  const alive = (await world.processesOf(lostAttempts.map(({ lease }) => lease))).length
  return {
    claim: 'the old attempts are fenced, and nothing of them is left',
    ok: lostAttempts.length > 0 && gone.length === lostAttempts.length && alive === 0,
    detail: `${gone.length} of ${lostAttempts.length} leases of the lost site are gone, ${alive} processes left`,
  }
}

export async function checkLedger(api: Api): Promise<Check> {
  const [byWorkload, bySite] = await Promise.all(
    ['workload', 'site'].map((by) => api.get<CostView>('/v1/cost', { by })),
  )
  const sums = [byWorkload, bySite].map((cost) =>
    cost?.rows.reduce((sum, { amount }) => sum + BigInt(amount.micros), 0n),
  )
  const total = byWorkload?.total
  return {
    claim: 'the bill adds up to the micro-dollar, by workload and by site',
    ok: total !== undefined && sums.every((sum) => sum === BigInt(total.micros)) && BigInt(total.micros) > 0n,
    detail: `${total?.text ?? 'nothing'} in all`,
  }
}
