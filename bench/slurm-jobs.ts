import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { cpuMs, memoryMiB, row } from '#bench/slurm/daemons.ts'
import type { CredentialedOrder } from '#model/order.ts'
import { type Cluster, startCluster } from '#rigs/slurm/cluster.ts'
import { forever, openSite, orderOn, type SiteRig, type Way } from '#rigs/slurm/site.ts'

/**
 * What many jobs of ours cost a real Slurm and us: submitted, looked at while nothing changes, and cancelled. Its nodes are
 * only in its configuration; each job is for one of them, as the house chose it, and waits for it for ever, so that what
 * is measured is Slurm's work and ours and not that of jobs.
 *
 *     node bench/slurm-jobs.ts --nodes 10000 --jobs 10000 --way commands
 */
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    jobs: { type: 'string', default: '1000' },
    /** `commands`, `HTTP`, or both of them, one after the other. */
    way: { type: 'string', default: 'commands,HTTP' },
  },
})
const [imagined, jobs] = [Number(values.nodes), Number(values.jobs)]
if (![imagined, jobs].every((count) => Number.isInteger(count) && count > 0 && count <= 20_000))
  throw new Error('--nodes and --jobs take whole numbers from 1 to 20000')

/** So many orders are made, and ended, side by side: as many as the house does at one site. */
const lanes = 8
const looks = 5
/** A job whose end was asked for is asked about again after so long. */
const againMs = 2_000

const ways: Record<string, (cluster: Cluster) => Way> = {
  commands: ({ conf }) => ({ conf, partition: 'imagined' }),
  HTTP: ({ rest }) => ({ rest, partition: 'imagined' }),
}
/** What is tabled of each, beside how long it took and what memory was used at the most. */
const columns = ['way', 'what', 's', 'ms a job', 'CPU of slurmctld s', 'of slurmrestd s', 'ours s']

console.log(`${imagined} nodes, ${jobs} jobs of ours; memory in MiB\n`)
row(...columns, 'slurmctld', 'slurmrestd', 'ours')
row(...columns.map(() => '---'), '---', '---', '---')
for (const name of values.way.split(',')) {
  const way = ways[name]
  if (!way) throw new Error(`--way takes ${Object.keys(ways).join(' or ')}`)
  const cluster = await startCluster({ nodes: 2, imagined })
  try {
    await play(name, cluster, await openSite(cluster, way(cluster)))
  } finally {
    await cluster.stop()
  }
}

async function play(way: string, cluster: Cluster, rig: SiteRig): Promise<void> {
  const measured = measuring(way, cluster)
  const orders = Array.from({ length: jobs }, (_, at) => orderOn(rig, [`c${at % imagined}`], 0))
  await measured('submitted', jobs, () => sideBySide(orders, (order) => launched(rig, order)))
  await measured(`looked at ${looks} times`, jobs * looks, async () => {
    for (let look = 0; look < looks; look++) {
      const seen = await rig.provider.list(rig.name, forever)
      if (!seen.ok || seen.value.length !== jobs)
        throw new Error(`a look failed: ${JSON.stringify(seen).slice(0, 500)}`)
    }
  })
  await measured('cancelled', jobs, () => cancelled(rig, orders))
  await rig.close()
}

/** What is refused for now is tried again, and told: a house that launches 10,000 jobs meets it as well. */
async function launched({ provider }: SiteRig, order: CredentialedOrder): Promise<void> {
  for (const until = performance.now() + 120_000; ; await sleep(1_000)) {
    const taken = await provider.launch(order, forever)
    if (taken.ok) return
    if (performance.now() > until) throw new Error(taken.fault.detail)
    console.error(taken.fault.detail.slice(0, 200))
  }
}

/** Asks for the end of all, and then again of those that are left, until none is. */
async function cancelled(rig: SiteRig, orders: readonly CredentialedOrder[]): Promise<void> {
  for (let left = orders; left.length > 0;) {
    const began = performance.now()
    const next: CredentialedOrder[] = []
    await sideBySide(left, async (order) => {
      const ended = await rig.provider.retire({ site: rig.name, token: order.token }, 0, forever)
      if (!ended.ok || ended.value !== 'gone') next.push(order)
    })
    left = next
    const wait = began + againMs - performance.now()
    if (left.length > 0 && wait > 0) await sleep(wait)
  }
}

async function sideBySide<T>(all: readonly T[], act: (one: T) => Promise<void>): Promise<void> {
  const left = all.values()
  const lane = async (): Promise<void> => {
    for (const one of left) await act(one)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/** Tells what something cost, in all and for each of so many jobs. */
function measuring(way: string, cluster: Cluster) {
  const cpuOf = () => [cpuMs(cluster, 'slurmctld'), cpuMs(cluster, 'slurmrestd'), ownCpuMs()]
  return async (what: string, count: number, act: () => Promise<void>): Promise<void> => {
    const [before, began] = [cpuOf(), performance.now()]
    await act()
    const tookMs = performance.now() - began
    const cpu = cpuOf().map((ms, at) => ((ms - (before[at] ?? 0)) / 1000).toFixed(1))
    const memory = [
      memoryMiB(cluster, 'slurmctld', 'VmHWM'),
      memoryMiB(cluster, 'slurmrestd', 'VmHWM'),
      process.memoryUsage.rss() / 2 ** 20,
    ].map((mib) => mib.toFixed(0))
    row(way, what, (tookMs / 1000).toFixed(1), (tookMs / count).toFixed(1), ...cpu, ...memory)
  }
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
