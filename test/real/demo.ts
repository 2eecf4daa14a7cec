import { dirname } from 'node:path'

import { checkLedger, lossesOf, type Check } from '#cli/demo/checks.ts'
import { attemptsOf, detailOf, logOf, type Seen, whyOf } from '#cli/demo/look.ts'
import { trainFolder } from '#cli/demo/specs.ts'
import { billed, table } from '#cli/demo/table.ts'
import { tellStory, type Telling } from '#cli/demo/telling.ts'
import { submit } from '#cli/commands/submit.ts'
import { CliFault } from '#cli/fault.ts'
import { note, write } from '#cli/io.ts'
import { start, told } from '#cli/main.ts'
import { dnsBinary, goHere, howToGetGo, planeBinary } from '#rigs/kubernetes/binary.ts'
import { noNodeHere } from '#rigs/kubernetes/node.ts'
import { clusterHere, howToGetCluster } from '#rigs/slurm/cluster.ts'
import { type Servers, startServers } from './servers.ts'

// What `isobar demo --real` runs: one spec on three sites, of which two are clusters of real servers. Each of these is lost
// while it trains there, comes back, and must be left clean.

const steps = 1000

const specText = (name: string, more = ''): string => `
kind: job
name: ${name}
nodes: 2
resources: { cpus: 0.5, memory: 256MB }
workdir: ${JSON.stringify(trainFolder)}
run: PATH=${dirname(process.execPath)}:$PATH exec node train.ts
env: { STEPS: ${steps}, SAVE_EVERY: 20 }
checkpoint: { grace: 5s }
${more}`

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

async function story(servers: Servers, { io, tell, goOn, until, judge }: Telling): Promise<number> {
  const { api, kubernetes, slurm } = servers
  const send = (text: string) => submit({ io, api, text, filename: 'demo.yaml' })
  const lastOf = async () => (await detailOf(api, 'train')).attemptList.toSorted((a, b) => a.number - b.number).at(-1)
  let saved = 0
  /** Waits until the newest attempt runs at that site and has saved more than the one before. */
  const savesAt = async (site: string): Promise<void> => {
    const before = saved
    await until(`the gang to save a checkpoint at ${site}`, async () => {
      const last = await lastOf()
      if (last?.site !== site || last.state !== 'running') return false
      saved = Number([...(await logOf(api, 'train')).matchAll(/saved step (\d+)/g)].at(-1)?.[1] ?? 0)
      return saved > before
    })
    tell(`  train: ${await whyOf(api, 'train', (await lastOf())?.number ?? 0)}`)
    tell(`  It has saved step ${saved} of ${steps} at ${site}.`)
  }

  await send(specText('train'))
  tell('Submitted: a training gang of 2 nodes.')
  await savesAt(kubernetes.at)
  const orphans: string[] = []
  for (const [site, next] of [
    [kubernetes, slurm.at],
    [slurm, 'local/here'],
  ] as const) {
    tell(`Lost ${site.name}: ${await site.lose()}.`)
    await savesAt(next)
    const orphaned = await site.runsOn()
    orphans.push(orphaned)
    tell(`  ${orphaned} of the attempt before are there still, and nobody could end them.`)
  }
  for (const site of [kubernetes, slurm]) {
    goOn()
    await site.bringBack()
  }
  tell('Both clusters are back. What is there of the old attempts is fenced, and being cleaned up.')
  await until('the gang to end', async () => (await detailOf(api, 'train')).endedAt !== null)
  // A controller manager that lost its API server takes a minute to clear up again.
  for (const site of [kubernetes, slurm])
    await until(`${site.at} to be left clean`, async () => (await site.left()).length === 0)
  tell('Both are clean. The same training on this machine alone, to compare:')
  await send(specText('alone', 'placement: { sites: [local/here] }\n'))
  await until('that to end', async () => (await detailOf(api, 'alone')).endedAt !== null)
  await until('the last entry of the bill', () => billed(api, ['train', 'alone']))
  tell('All work has ended. Looking whether it was as it should be:')
  const losses = await checkLosses(servers)
  const code = judge([
    await checkEnd(servers),
    losses.check,
    await checkFences(servers, orphans),
    await checkLedger(api),
  ])
  const lostWork = ({ detail }: { detail: { name: string } }) =>
    detail.name === 'train' ? `${losses.repeated} steps done again` : ''
  await write(io, `${await table(io, api, { names: ['train', 'alone'], lostWork })}\n`)
  return code
}

async function checkEnd({ api }: Servers): Promise<Check> {
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
async function checkLosses({ api }: Servers): Promise<{ check: Check; repeated: number }> {
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

async function checkFences({ api, kubernetes, slurm }: Servers, orphans: readonly string[]): Promise<Check> {
  const lost = (await attemptsOf(api)).filter(({ attempt }: Seen) => attempt.state === 'lost')
  const gone = lost.filter(({ attempt }) => attempt.lease?.state === 'gone')
  const left = [...(await kubernetes.left()), ...(await slurm.left())]
  return {
    claim: 'the old attempts are fenced, and nothing of them is left at either cluster',
    ok: lost.length === 2 && gone.length === 2 && left.length === 0,
    detail: `${gone.length} of ${lost.length} leases are gone, ${left.length} jobs, pods, secrets, containers and ranks left, where ${orphans.join(' and ')} had outlived their servers`,
  }
}
