import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

import { makeFolderSync } from '#kit/make-folder.ts'
import { agentFiles, type AgentOrder } from '#model/agent-folder.ts'
import type { GangOrder } from '#model/gang-folder.ts'

import { deskInFolder, type JoinedGang } from './gang-desk.ts'
import { startMirror } from './gang-mirror.ts'
import { createRelay, deskByRelay, relayEnvironment } from './gang-relay.ts'

/** Becomes the agent of the rank that Slurm started this process for, in the folder of its gang. */
export async function joinGang(folder: string): Promise<void> {
  const order = orderOf(await deskInFolder(folder).join(rankHere()))
  const mine = join(folder, String(order.rank))
  begin(mine, order)
  process.argv[2] = mine
  await import('./main.ts')
}

/** The same where the nodes see no disk of ours: in a folder of this node, of which the control plane is told. */
export async function joinGangAfar(folder: string): Promise<void> {
  const environment = relayEnvironment()
  const relay = createRelay(environment)
  const order = orderOf(await deskByRelay(relay, environment).join(rankHere()))
  begin(join(folder, String(order.rank)), order)
  const mirror = startMirror(order.rank, relay)
  const { runAgent } = await import('./agent.ts')
  const leaving = once(process, 'SIGTERM')
  const lastWord = () => Promise.race([mirror.told(), leaving.then(() => pause(mostFarewellMs))])
  await runAgent(order, null, { kept: lastWord })
  await lastWord()
}

/** A machine that is taken away is gone soon: what nobody hears until then is lost, and what is on its disk goes with us. */
const mostFarewellMs = 10_000

const rankHere = (): number => Number(process.env['SLURM_PROCID'] ?? 0)

function orderOf({ order: gang, nodes }: JoinedGang): AgentOrder {
  const { SLURMD_NODENAME = hostname(), CUDA_VISIBLE_DEVICES = '' } = process.env
  const asked = gang.ranks.find(({ rank }) => rank === rankHere())
  if (!asked) throw new Error(`the gang has no rank ${rankHere()}`)
  const { token, workload, attempt, credential, controlPlanes, graceMs } = gang
  return {
    token,
    workload,
    attempt,
    credential,
    controlPlanes,
    graceMs,
    ...asked,
    address: nodes.addresses[SLURMD_NODENAME] ?? SLURMD_NODENAME,
    masterPort: nodes.masterPort,
    accelerators: shareOf(
      gang,
      asked,
      CUDA_VISIBLE_DEVICES.split(',').filter((one) => one !== ''),
    ),
    confined: true,
  }
}

/** Goes into the folder of the rank. What comes on the standard input from now on are stop orders. */
function begin(folder: string, order: AgentOrder): void {
  makeFolderSync(folder)
  writeFileSync(join(folder, agentFiles.order), JSON.stringify(order), { mode: 0o600 })
  process.chdir(folder)
  createInterface({ input: process.stdin }).on('line', (stop) => {
    writeFileSync(agentFiles.stop, stop, { mode: 0o600 })
    process.kill(process.pid, 'SIGTERM')
  })
}

type Rank = GangOrder['ranks'][number]

/** The accelerators of a rank, of those that the job has on its node: those beside it there have theirs in the order of ranks. */
function shareOf({ ranks }: Pick<GangOrder, 'ranks'>, { rank, node, shape }: Rank, devices: string[]): string[] {
  if (node === undefined) return devices
  const beside = ranks.filter((other) => other.node === node)
  const first = beside.filter((other) => other.rank < rank).reduce((sum, other) => sum + other.shape.accelerators, 0)
  return devices.slice(first, first + shape.accelerators)
}
