import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'

import { publicEnvironment } from '#kit/environment.ts'
import { makeFolderSync } from '#kit/make-folder.ts'
import { type AgentOrder, leaseTag, rankTag } from '#model/agent-folder.ts'
import type { Go } from '#model/agent-protocol.ts'

/** Where the workdir is unpacked and everything runs, below the rank's folder. */
export const workFolder = 'work'

/**
 * The environment of what the rank runs: the machine's own (only what anybody may see), then what the spec says, then
 * what Isobar promises, which nobody overrides. `ports` are the real ones, in the order of those in the spec.
 */
export function rankEnvironment(order: AgentOrder, go: Go, ports: number[]): Record<string, string> {
  const environment: Record<string, string> = {
    ...(order.container ? definedOnly(process.env) : publicEnvironment(process.env)),
    MASTER_ADDR: go.peers[0] ?? order.address,
    MASTER_PORT: String(order.masterPort),
    NODE_RANK: String(order.rank),
    NNODES: String(go.peers.length),
    CUDA_VISIBLE_DEVICES: order.accelerators.join(','),
    ...go.environment,
    ISOBAR_WORKLOAD: order.workload,
    ISOBAR_ATTEMPT: String(order.attempt),
    ISOBAR_NODES: String(go.peers.length),
    ISOBAR_NODE_ADDRESSES: go.peers.join(','),
    [rankTag]: String(order.rank),
    [leaseTag]: order.token,
  }
  for (const [index, port] of ports.entries()) environment[`PORT_${go.ports[index]}`] = String(port)
  if (ports[0] !== undefined) environment.PORT = String(ports[0])
  return { ...environment, ...checkpointFolders(order.container?.checkpoints ?? go.checkpointRoot, order.attempt) }
}

const definedOnly = (environment: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )

/** Each attempt writes a folder of its own, named by its number, and resumes from the latest earlier one with content. */
function checkpointFolders(root: string | null, attempt: number): Record<string, string> {
  if (root === null) return {}
  const mine = resolve(root, String(attempt))
  makeFolderSync(mine)
  const latest = readdirSync(root)
    .filter((name) => /^\d+$/.test(name) && Number(name) < attempt)
    .sort((a, b) => Number(b) - Number(a))
    .find((name) => readdirSync(join(root, name)).length > 0)
  return {
    ISOBAR_CHECKPOINT_DIR: mine,
    ...(latest === undefined ? {} : { ISOBAR_RESUME_DIR: resolve(root, latest) }),
  }
}
