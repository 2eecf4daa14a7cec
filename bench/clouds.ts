import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { createClock } from '#kit/clock.ts'
import type { SimulatedOptions } from '#providers/simulated/options.ts'
import { createSimulated } from '#providers/simulated/simulated.ts'
import type { Provider } from '#providers/provider.ts'

type Call = { id: number; method: string; given: unknown[] }
type Answer = { id: number; answer: unknown }

/** Simulated clouds in a process of their own, so that a bench measures the control plane and not them. */
export function openClouds(options: SimulatedOptions): { provider: Provider; pid: number } {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(options)], { serialization: 'advanced' })
  child.unref()
  child.channel?.unref()
  const waiting = new Map<number, (answer: unknown) => void>()
  child.on('message', ({ id, answer }: Answer) => {
    waiting.get(id)?.(answer)
    waiting.delete(id)
  })
  let last = 0
  const call =
    (method: string) =>
    (...given: unknown[]): Promise<never> =>
      new Promise((resolve) => {
        const sent = given.filter((one) => !(one instanceof AbortSignal))
        waiting.set(++last, (answer) => resolve(answer as never)) // what the same method of the provider gave there
        child.send({ id: last, method, given: sent } satisfies Call)
      })
  const { sites, name } = createSimulated({ ...options, clock: createClock() }).open()
  const provider: Provider = {
    name,
    sites,
    offers: call('offers'),
    launch: call('launch'),
    get: call('get'),
    list: call('list'),
    retire: call('retire'),
    logs: call('logs'),
    abilities: {},
  }
  return { provider, pid: child.pid ?? 0 }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const cloud = createSimulated({ ...JSON.parse(process.argv[2] ?? ''), clock: createClock() })
  const provider = cloud.open() as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>
  const { signal } = new AbortController()
  process.on('message', async ({ id, method, given }: Call) => {
    process.send?.({ id, answer: await provider[method]?.(...given, signal) } satisfies Answer)
  })
  process.on('disconnect', () => process.exit(0))
}
