import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

import { CostView, EventPage, WhyView, WorkloadDetail } from '#api/views.ts'
import { callMain, openHouse, type Captured } from '#cli/captured.ts'

export type TestHouse = Awaited<ReturnType<typeof aHouse>>

/** A job of one node with one CPU, as a person writes it. Not the `aJob` of the builders, which is a row of the store. */
export const aWrittenJob = (name: string, run: string, more: object = {}) => ({
  kind: 'job',
  name,
  resources: { cpus: 1, memory: '64MB' },
  checkpoint: { grace: '5s' },
  run,
  ...more,
})

/** A whole server with the real local provider and real processes, used as a person does: through the command line. */
export async function aHouse(sites: string, environment: Record<string, string> = {}) {
  const house = await openHouse(sites, environment)
  const { home, env, isobar, close } = house

  /** Runs a command that must succeed, and gives what it says. */
  async function say(...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await isobar(...argv)
    assert.equal(code, 0, `isobar ${argv.join(' ')}: ${stderr}`)
    return stdout
  }
  const read = async (...argv: string[]): Promise<unknown> => JSON.parse(await say(...argv, '-o', 'json'))
  const withSpec = (spec: object, argv: string[]): Promise<Captured> =>
    callMain(argv, { env, cwd: home, input: JSON.stringify(spec) })
  const look = async (id: string): Promise<WorkloadDetail> => WorkloadDetail.parse(await read('describe', id))

  return {
    home,
    env,
    isobar,
    say,
    look,
    close,
    /** `isobar run` with a spec on standard input. */
    run: (spec: object, ...options: string[]): Promise<Captured> => withSpec(spec, ['run', '-', ...options]),
    /** Starts a spec and gives its id. */
    async start(spec: object, ...options: string[]): Promise<string> {
      const { code, stdout, stderr } = await withSpec(spec, ['run', '-', '--detach', ...options])
      assert.equal(code, 0, stderr)
      return stdout.trim()
    },
    /** Waits until a workload is so, and gives what is known of it then. */
    async until(id: string, what: string, isSo: (workload: WorkloadDetail) => boolean): Promise<WorkloadDetail> {
      for (const deadline = performance.now() + 20_000; ; await sleep(50)) {
        const workload = await look(id)
        if (isSo(workload)) return workload
        assert.ok(performance.now() < deadline, `${workload.name} is ${workload.summary}, and not ${what}`)
      }
    },
    why: async (id: string) => ({ ...WhyView.parse(await read('why', id)), shown: await lastShown(isobar, id) }),
    cost: async (...options: string[]): Promise<CostView> => CostView.parse(await read('cost', ...options)),
    async events(query: Record<string, string>): Promise<EventPage['items']> {
      const path = `v1/events?${new URLSearchParams({ after: '0', pageSize: '1000', ...query })}`
      return EventPage.parse(JSON.parse(await say('api', 'get', path))).items
    },
  }
}

/** What `isobar why` tells people in the end. */
async function lastShown(isobar: (...argv: string[]) => Promise<Captured>, id: string): Promise<string> {
  const { stdout, stderr } = await isobar('why', id)
  return `${stdout}${stderr}`.trimEnd().split('\n').at(-1) ?? ''
}

/** A name that no other test uses. */
export const aName = (what: string): string => `${what}-${randomBytes(3).toString('hex')}`
