import { basename, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import type { MakeScheduler } from '#simulator/replay/scheduler.ts'
import { readInput } from '#simulator/traces/input.ts'

import type { QueuePolicy } from './queue-policy.ts'
import { queueScheduler } from './queue-scheduler.ts'

/** Whether a policy is named by its file. */
export const isPolicyFile = (name: string): boolean => /\.[cm]?[jt]s$/.test(name)

const example = "export const policy = { name: 'mine', key: (record, now) => record.job.durationMs }"

/**
 * A queue policy of somebody's own: a module of JavaScript or TypeScript that exports `policy`, a `QueuePolicy`. It is
 * called after its file if it has no name. Throws an `InputFault` for what is wrong with it, keys that are no numbers too.
 */
export async function readPolicy(file: string): Promise<MakeScheduler> {
  const { text, wrong } = readInput(file)
  const place = (word: RegExp) => Math.max(0, text.search(word))
  const exported: { policy?: Partial<QueuePolicy> } = await import(pathToFileURL(resolve(file)).href).catch(
    (cause: unknown) => {
      throw wrong(0, `it does not load: ${String(cause)}`, `write it like ${example}`)
    },
  )
  const { policy } = exported
  const key = policy?.key
  if (!policy || typeof key !== 'function')
    throw wrong(place(/\bpolicy\b/), 'it exports no policy with a key', `write it like ${example}`)
  return queueScheduler({
    summary: '',
    ...policy,
    name: policy.name ?? basename(file),
    key(record, now) {
      const value: unknown = key(record, now)
      if (typeof value === 'number' && !Number.isNaN(value)) return value
      throw wrong(
        place(/\bkey\b/),
        `its key of ${record.job.id} is ${String(value)}`,
        'let it return a number, the smaller goes first',
      )
    },
  })
}
