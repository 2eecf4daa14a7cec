import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { startEmbedded } from '#store/embedded/embedded.ts'
import { createFeeder, type Feeder } from './feeder.ts'
import type { Outcome, Setting } from './round.ts'
import { quiet, violations } from './verify.ts'
import { freePort, openVictim, type Victim } from './victim.ts'
import type { Expected } from './work.ts'

/** What a round puts around its control plane, and how it hurts. */
export type Stage = {
  /** What the control plane starts with beside its state directory. */
  environment?: Record<string, string>
  /** Its database where that is not the private one, past everything that hurts. */
  database?: () => string
  /** What it submits itself. */
  expected?: Expected[]
  /** Hurts something once, and says how long it took until all was back; null where that says nothing. */
  strike(victim: Victim): Promise<number | null>
  /** Hurts nothing any more. */
  calm?(): Promise<void> | void
  /** What else must not be, once all work has ended. */
  check?(victim: Victim, feeder: Feeder): Promise<string[]>
  close?(): Promise<void> | void
}

type Told = {
  /** What is done, such as `the control plane was killed`. */
  name: string
  /** Whether capacity is taken away, so that more than one attempt is right. */
  losses?: boolean
  patience?: string
  mostBackMs?: number
}

/** One control plane with its sites on this machine; workloads are submitted before and between the strikes. */
export async function withOnePlane(
  setting: Setting,
  { name, losses = false, patience = '60s', mostBackMs = 5_000 }: Told,
  open: (at: { home: string; port: number }) => Promise<Stage> | Stage,
): Promise<Outcome> {
  const { scratch, kills, strikeMs, settleMs, slack } = setting
  const home = join(scratch, 'a')
  const root = join(scratch, 'site')
  const port = await freePort()
  const stage = await open({ home, port })
  const victim = await openVictim({
    home,
    port,
    sites: `sites:\n  - { provider: local, name: here, root: ${root}, jurisdictions: [US], price: $3.60/h, patience: ${patience}, nodes: 24, shape: { cpus: 1, memory: 1GB } }\n`,
    environment: stage.environment ?? {},
  })
  try {
    victim.start()
    if ((await victim.ready(30_000)) === null) throw new Error('The control plane did not start')
    const feeder = createFeeder({ setting, post: victim.api })
    await feeder.give(Math.ceil(setting.workloads / 2))
    const feeding = feeder.run()
    const back: number[] = []
    let strikes = 0
    for (const until = performance.now() + strikeMs; strikes < kills && performance.now() < until; strikes++) {
      const ms = await stage.strike(victim)
      if (ms !== null) back.push(ms)
    }
    await stage.calm?.()
    if ((await victim.ready(10_000)) === null && !victim.runs()) victim.start()
    if ((await victim.ready(30_000)) === null) throw new Error('The control plane did not come back')
    feeder.end()
    const wrong = await feeding
    const database = stage.database?.() ?? (await embeddedUrl(home))
    await quiet(database, settleMs)
    const expected = [...feeder.expected, ...(stage.expected ?? [])]
    wrong.push(...(await violations({ url: database, scratch, sites: [root], expected, losses })))
    wrong.push(...((await stage.check?.(victim, feeder)) ?? []))
    const slowest = Math.max(0, ...back)
    if (slowest > mostBackMs * slack)
      wrong.push(`it took ${Math.round(slowest)} ms to be back, and ${mostBackMs} are allowed`)
    return { told: `${name} ${strikes} times while ${expected.length} workloads ran`, strikes, back, wrong }
  } finally {
    await victim.close().finally(() => stage.close?.())
  }
}

/** The address of the private database of a state directory. */
export async function embeddedUrl(home: string): Promise<string> {
  const embedded = await startEmbedded(home)
  embedded.leave()
  return embedded.url
}

/** How long after `began` the control plane is ready and its store answers. */
export async function answeredAgain(victim: Victim, what: string, began = performance.now()): Promise<number> {
  const answers = async () =>
    (await victim.ready(30_000)) !== null && victim.api('GET', '/v1/workloads?pageSize=1', { withinMs: 5_000 })
  for (; performance.now() - began < 60_000; await sleep(20))
    if (await answers().catch(() => false)) return performance.now() - began
  throw new Error(`${what}, and the control plane did not recover within 60 s`)
}
