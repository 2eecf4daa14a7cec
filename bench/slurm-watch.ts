import { parseArgs } from 'node:util'

import { cpuMs, memoryMiB, row } from '#bench/slurm/daemons.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { forever, openSite, type SiteRig, type Way } from '#rigs/slurm/site.ts'

/**
 * What our looks cost a real Slurm, at rest and while many jobs of others wait. Nodes but four are only in its
 * configuration; eight gangs of ours run. A minute is ten lists and two offers with an inventory, as the house asks while gangs run and
 * nothing changes.
 *
 *     node bench/slurm-watch.ts --nodes 10000 --jobs 0,1000,10000
 */
const { values } = parseArgs({
  options: { nodes: { type: 'string', default: '1000' }, jobs: { type: 'string', default: '0,1000,10000' } },
})
const imagined = Number(values.nodes)
const steps = values.jobs.split(',').map(Number)
if (![imagined, ...steps].every((count) => Number.isInteger(count) && count >= 0 && count <= 20_000))
  throw new Error('--nodes and --jobs take whole numbers up to 20000')

const aMinute = { list: 10, inventory: 2 }
const gangs = 8

type Watch = { way: string; gangs: SiteRig; nodes: SiteRig }

const cluster = await startCluster({ nodes: 4, imagined })
try {
  console.log(
    `Slurm ${cluster.version}: ${imagined + 4} nodes, ${gangs} gangs of ours; a list, and offers with an inventory, in ms,`,
  )
  console.log('CPU that a minute of looks costs in ms, and what daemons hold after it in MiB\n')
  row('jobs of others', 'way', 'list', 'nodes', 'slurmctld CPU', 'slurmrestd CPU', 'slurmctld', 'slurmrestd')
  row(...Array.from({ length: 8 }, () => '---'))
  const watches = [await watch('commands', { conf: cluster.conf }), await watch('HTTP', httpWay())]
  let foreign = 0
  for (const step of steps) {
    await submitForeign(step - foreign)
    foreign = Math.max(foreign, step)
    for (const one of watches) row(String(foreign), one.way, ...(await measured(one)))
  }
  for (const one of watches) for (const rig of [one.gangs, one.nodes]) await rig.close()
} finally {
  await cluster.stop()
}

function httpWay(): Way {
  return { rest: cluster.rest, topologyFile: `${cluster.folder}/topology.conf` }
}

/** Gangs of ours run at one site, and the imagined nodes are seen at another. */
async function watch(way: string, site: Way): Promise<Watch> {
  const rig = await openSite(cluster, site)
  for (let gang = 0; gang < gangs / 2; gang++) {
    const any = rig.order()
    const order = { ...any, ranks: any.ranks.map((rank) => ({ ...rank, node: `n${gang}` })) }
    rig.script(order, () => 'exec sleep 10000')
    await rig.launched(order)
    await rig.until(order, 'it runs', (seen) => seen?.ranks[0]?.state === 'running')
  }
  return { way, gangs: rig, nodes: await openSite(cluster, { ...site, partition: 'imagined' }) }
}

/** Held jobs of another user, as many as are missing. */
async function submitForeign(count: number): Promise<void> {
  const user = 'nobody'
  const headers = { 'x-slurm-user-name': user, 'x-slurm-user-token': cluster.token(86_400, user) }
  const asked = async (path: string, body?: object) =>
    (
      await fetch(`${cluster.rest}${path}`, {
        headers: { ...headers, 'content-type': 'application/json' },
        ...(body && { method: 'POST', body: JSON.stringify(body) }),
      })
    ).json() as Promise<{ job_id?: number; paths?: object }>
  const { paths = {} } = await asked('/openapi/v3')
  const path = Object.keys(paths).findLast((one) => /^\/slurm\/v[\d.]+\/job\/submit$/.test(one)) ?? ''
  const environment = path.includes('v0.0.38') ? { PATH: '/usr/bin:/bin' } : ['PATH=/usr/bin:/bin']
  const job = {
    name: 'other',
    partition: 'main',
    nodes: '4-4',
    hold: true,
    current_working_directory: '/tmp',
    environment,
  }
  let left = count
  const submitter = async () => {
    while (left-- > 0) {
      const { job_id } = await asked(path, { script: '#!/bin/sh\ntrue\n', job })
      if (job_id === undefined) throw new Error('a job of another user was not taken')
    }
  }
  await Promise.all(Array.from({ length: 8 }, submitter))
}

async function measured({ gangs: ours, nodes }: Watch): Promise<string[]> {
  const before = [cpuMs(cluster, 'slurmctld'), cpuMs(cluster, 'slurmrestd')]
  const list = await times(aMinute.list, async () => {
    const listed = await ours.provider.list(ours.name, forever)
    if (!listed.ok || listed.value.length !== gangs / 2) throw new Error(`a list failed: ${JSON.stringify(listed)}`)
  })
  const inventory = await times(aMinute.inventory, async () => {
    await nodes.provider.offers(nodes.name, forever)
    const found = await nodes.provider.abilities.inventory?.(nodes.name, forever)
    if (!found?.ok || found.value.length !== imagined)
      throw new Error(`an inventory failed: ${JSON.stringify(found)}`.slice(0, 500))
  })
  const after = [cpuMs(cluster, 'slurmctld'), cpuMs(cluster, 'slurmrestd')]
  const spent = after.map((ms, index) => ms - (before[index] ?? 0))
  return [list, inventory, ...spent, memoryMiB(cluster, 'slurmctld'), memoryMiB(cluster, 'slurmrestd')].map((one) =>
    one.toFixed(0),
  )
}

/** The middle of how long it takes, in ms. */
async function times(count: number, act: () => Promise<void>): Promise<number> {
  const took: number[] = []
  for (let time = 0; time < count; time++) {
    const began = performance.now()
    await act()
    took.push(performance.now() - began)
  }
  return took.sort((a, b) => a - b)[Math.floor(count / 2)] ?? 0
}
