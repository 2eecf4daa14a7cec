import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import { type Check, lossesOf } from '#cli/demo/checks.ts'
import { attemptsOf, detailOf } from '#cli/demo/look.ts'
import type { Servers } from './servers.ts'
import { steps, tasks } from './specs.ts'

// What the story claims, each as whoever doubts it would look at it.

export async function checkEnd({ api }: Servers): Promise<Check> {
  const { state, attempts } = await detailOf(api, 'train')
  return {
    claim: 'the training run finished on the third site',
    ok: state === 'succeeded' && attempts === 3,
    detail: `${state} after ${attempts} attempts`,
  }
}

/**
 * What three sites computed one after the other is what one computes alone. What containers did that ran on while nobody
 * saw them went with their logs.
 */
export async function checkLosses({ api }: Servers): Promise<{ check: Check; repeated: number }> {
  const alone = await lossesOf(api, 'alone', 1)
  const curves = await Promise.all([1, 2, 3].map((attempt) => lossesOf(api, 'train', attempt)))
  const all = curves.flatMap((curve) => [...curve])
  const different = all.filter(([step, loss]) => alone.get(step) !== loss)
  const check = {
    claim: 'what three sites computed, one after the other, is what one computes alone',
    ok: alone.size === steps && curves.every((curve) => curve.size > 0) && different.length === 0,
    detail: `losses of ${curves.map((curve) => curve.size).join(', ')} steps, ${different.length} of them different in any bit`,
  }
  return { check, repeated: all.length - new Set(all.map(([step]) => step)).size }
}

/** `answered`: the attempt that answered at each site in turn. `older`: how many that were replaced answer now. */
export function checkService({ answered, older }: { answered: readonly number[]; older: number }): Check {
  return {
    claim:
      'the service answered from another site each time that its cluster was lost, and from there alone in the end',
    ok: answered.join() === '1,2,3' && older === 0,
    detail: `answers of attempts ${answered.join(', ')}; ${older} of the replicas before answer still`,
  }
}

/** `counted`: tasks that had succeeded just before their cluster was lost. */
export async function checkTasks({ api, home }: Servers, counted: number): Promise<Check> {
  const { id, state, tasks: ended } = await detailOf(api, 'rollouts')
  const folder = join(home, 'checkpoints', id)
  const marks = new Set(readdirSync(folder).flatMap((attempt) => readdirSync(join(folder, attempt))))
  return {
    claim: 'every task of the array counted once, though its cluster was lost in the middle of it',
    ok:
      state === 'succeeded' &&
      ended?.succeeded === tasks &&
      ended.failed === 0 &&
      marks.size === tasks &&
      counted < tasks,
    detail: `${ended?.succeeded} of ${tasks} succeeded, ${marks.size} left their mark; ${counted} had before`,
  }
}

/** `lost`: how many attempts of each workload. `orphans`: what had outlived the servers of each cluster. */
export async function checkFences(
  { api, kubernetes, slurm }: Servers,
  { lost: expected, orphans }: { lost: Readonly<Record<string, number>>; orphans: readonly string[] },
): Promise<Check> {
  const lost = (await attemptsOf(api)).filter(({ attempt }) => attempt.state === 'lost')
  const gone = lost.filter(({ attempt }) => attempt.lease?.state === 'gone')
  const left = [...(await kubernetes.left()), ...(await slurm.left())]
  const areExpected = Object.entries(expected).every(
    ([name, number]) => lost.filter(({ workload }) => workload === name).length === number,
  )
  return {
    claim: 'the old attempts are fenced, and nothing of them is left at either cluster',
    ok: areExpected && gone.length === lost.length && left.length === 0,
    detail: `${gone.length} of ${lost.length} leases are gone, ${left.length} jobs, pods, secrets, containers and ranks left, where ${orphans.join(' and ')} had outlived their servers`,
  }
}
