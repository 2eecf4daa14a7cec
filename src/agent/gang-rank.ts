import { readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { makeFolderSync } from '#kit/make-folder.ts'
import { agentFiles, type AgentOrder } from '#model/agent-folder.ts'
import { gangFiles, type GangNodes, type GangOrder } from '#model/gang-folder.ts'

/** Becomes the agent of the rank that Slurm started this process for. What comes on its standard input are stop orders. */
export async function joinGang(folder: string): Promise<void> {
  const { SLURM_PROCID = '0', SLURMD_NODENAME = hostname(), CUDA_VISIBLE_DEVICES = '' } = process.env
  const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'))
  const gang = read(gangFiles.order) as GangOrder // written by whoever submitted the job
  const nodes = read(gangFiles.nodes) as GangNodes // written by its leader
  const asked = gang.ranks[Number(SLURM_PROCID)]
  if (!asked) throw new Error(`the gang has no rank ${SLURM_PROCID}`)
  const { token, workload, attempt, credential, controlPlanes, graceMs } = gang
  const order: AgentOrder = {
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
  const mine = join(folder, String(asked.rank))
  makeFolderSync(mine)
  writeFileSync(join(mine, agentFiles.order), JSON.stringify(order), { mode: 0o600 })
  process.chdir(mine)
  createInterface({ input: process.stdin }).on('line', (stop) => {
    writeFileSync(agentFiles.stop, stop, { mode: 0o600 })
    process.kill(process.pid, 'SIGTERM')
  })
  process.argv[2] = mine
  await import('./main.ts')
}

type Rank = GangOrder['ranks'][number]

/** The accelerators of a rank, of those that the job has on its node: those beside it there have theirs in the order of ranks. */
function shareOf({ ranks }: GangOrder, { rank, node, shape }: Rank, devices: string[]): string[] {
  if (node === undefined) return devices
  const beside = ranks.filter((other) => other.node === node)
  const first = beside.filter((other) => other.rank < rank).reduce((sum, other) => sum + other.shape.accelerators, 0)
  return devices.slice(first, first + shape.accelerators)
}
