import { workloadPath } from '#cli/client.ts'
import { checkLedger } from '#cli/demo/checks.ts'
import { detailOf, logOf, whyOf } from '#cli/demo/look.ts'
import { billed, type Row, table } from '#cli/demo/table.ts'
import { tellStory, type Telling } from '#cli/demo/telling.ts'
import { submit } from '#cli/commands/submit.ts'
import { CliFault } from '#cli/fault.ts'
import { note, write } from '#cli/io.ts'
import { start, told } from '#cli/main.ts'
import { count } from '#cli/output/words.ts'
import { dnsBinary, goHere, howToGetGo, planeBinary } from '#rigs/kubernetes/binary.ts'
import { noNodeHere } from '#rigs/kubernetes/node.ts'
import { clusterHere, howToGetCluster } from '#rigs/slurm/cluster.ts'
import { checkEnd, checkFences, checkLosses, checkService, checkTasks } from './checks.ts'
import { type RealSite, type Servers, startServers } from './servers.ts'
import { openService } from './service.ts'
import { arrayText, gangText, serviceText, steps, tasks } from './specs.ts'

// What `isobar demo --real` runs: a gang, a service and an array on three sites, of which two are clusters of real servers.
// Each of these is lost while they run there, comes back, and must be left clean.

await start((io) =>
  told(async () => {
    assertThere()
    const building = (line: string): void => note(io, line)
    await planeBinary(building)
    await dnsBinary(building)
    return tellStory(io, async (telling) => {
      telling.tell('Starting real servers: a Kubernetes cluster, a Slurm cluster, and a control plane of its own.')
      const servers = await startServers(telling)
      try {
        return await story(servers, telling)
      } finally {
        await servers.close()
      }
    })
  }, io),
)

/** Throws, with what to do, unless all servers are on this machine. */
function assertThere(): void {
  const isRoot = process.platform === 'linux' && process.getuid?.() === 0
  const missing = [
    { why: noNodeHere(), fix: isRoot ? '.ci/install-kubernetes-node' : 'sudo npx isobar demo --real, on Linux' },
    { why: goHere() === null ? howToGetGo : null, fix: 'install Go: https://go.dev/doc/install' },
    { why: clusterHere() === null ? howToGetCluster : null, fix: '.ci/install-slurm' },
  ].filter(({ why }) => why !== null)
  if (missing.length === 0) return
  throw new CliFault('not all of the real servers are on this machine', {
    why: missing.map(({ why }) => why).join('\n'),
    next: [missing.map(({ fix }) => fix).join('; then ')],
  })
}

async function story(servers: Servers, telling: Telling): Promise<number> {
  const { io, tell, goOn, until, judge } = telling
  const { api, kubernetes, slurm } = servers
  const send = (text: string) => submit({ io, api, text, filename: 'demo.yaml' })
  await send([gangText('train'), serviceText].join('---'))
  tell('Submitted: a training gang of 2 nodes, and a service.')
  await using watch = await openWatch(servers, telling)
  await watch.worksAt(kubernetes.at)
  const orphans: string[] = []
  const lose = async (site: RealSite, next: string): Promise<void> => {
    await watch.beforeLoss()
    tell(`Lost ${site.name}: ${await site.lose()}.`)
    await watch.worksAt(next)
    const orphaned = await site.runsOn()
    orphans.push(orphaned)
    tell(`  ${orphaned} of the attempts before are there still, and nobody could end them.`)
  }
  await lose(kubernetes, slurm.at)
  await send(arrayText)
  const counted = await watch.tasksAt(slurm.at)
  await lose(slurm, 'local/here')
  await watch.arrayAt('local/here')
  for (const site of [kubernetes, slurm]) {
    goOn()
    await site.bringBack()
  }
  tell('Both clusters are back. What is there of the old attempts is fenced, and being cleaned up.')
  for (const name of ['train', 'rollouts'])
    await until(`${name} to end`, async () => (await detailOf(api, name)).endedAt !== null)
  // A controller manager that lost its API server takes a minute to clear up again.
  for (const site of [kubernetes, slurm])
    await until(`${site.at} to be left clean`, async () => (await site.left()).length === 0)
  tell('Both are clean. The same training on this machine alone, to compare:')
  const watched = await watch.seen()
  await api.send('POST', workloadPath('web', '/stop'))
  await send(gangText('alone', 'placement: { sites: [local/here] }\n'))
  for (const name of ['alone', 'web'])
    await until(`${name} to end`, async () => (await detailOf(api, name)).endedAt !== null)
  const names = ['train', 'web', 'rollouts', 'alone']
  await until('the last entry of the bill', () => billed(api, names))
  tell('All work has ended. Looking whether it was as it should be:')
  const losses = await checkLosses(servers)
  const code = judge([
    await checkEnd(servers),
    losses.check,
    checkService(watched),
    await checkTasks(servers, counted),
    await checkFences(servers, { lost: { train: 2, web: 2, rollouts: 1 }, orphans }),
    await checkLedger(api),
  ])
  const lostWork = ({ detail: { name }, lost }: Row) => {
    if (name === 'train') return `${losses.repeated} steps done again`
    if (name === 'rollouts') return `${count(lost, 'worker')}, no task`
    return name === 'web' ? count(lost, 'replica') : ''
  }
  await write(io, `${await table(io, api, { names, lostWork })}\n`)
  return code
}

/** Sees each of the three at work where it should be. */
async function openWatch(servers: Servers, { tell, until }: Telling) {
  const { api } = servers
  const service = await openService(servers, 'web')
  const answered: number[] = []
  let saved = 0
  const lastOf = async (name: string) =>
    (await detailOf(api, name)).attemptList.toSorted((a, b) => a.number - b.number).at(-1)
  return {
    /** Waits until the gang has saved more there than before, and the service answers from there. */
    async worksAt(site: string): Promise<void> {
      const before = saved
      await until(`the gang to save a checkpoint at ${site}`, async () => {
        const last = await lastOf('train')
        if (last?.site !== site || last.state !== 'running') return false
        saved = Number([...(await logOf(api, 'train')).matchAll(/saved step (\d+)/g)].at(-1)?.[1] ?? 0)
        return saved > before
      })
      tell(`  train: ${await whyOf(api, 'train', (await lastOf('train'))?.number ?? 0)}`)
      tell(`  It has saved step ${saved} of ${steps} at ${site}.`)
      await until(`the service to answer from ${site}`, async () => {
        const last = await lastOf('web')
        return last?.site === site && (await service.answers()) === last.number
      })
      answered.push((await lastOf('web'))?.number ?? 0)
      tell(`  web: its attempt ${answered.at(-1)} answers from ${site}.`)
    },
    /** Waits until some tasks of the array have succeeded there, and gives how many. */
    async tasksAt(site: string): Promise<number> {
      let counted = 0
      await until(`tasks of the array to succeed at ${site}`, async () => {
        counted = (await detailOf(api, 'rollouts')).tasks?.succeeded ?? 0
        return counted > 0 && (await lastOf('rollouts'))?.site === site
      })
      tell(`  rollouts: ${counted} of ${tasks} tasks have succeeded at ${site}.`)
      return counted
    },
    /** Waits until the array goes on there: its worker may have been heard a little longer than the others. */
    arrayAt: (site: string) =>
      until(`the array to go on at ${site}`, async () => (await lastOf('rollouts'))?.site === site),
    beforeLoss: service.remember,
    /** What was seen, while the service still runs. */
    seen: async () => ({ answered, older: await service.olderThatAnswer() }),
    [Symbol.asyncDispose]: service.close,
  }
}
