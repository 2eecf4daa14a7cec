import { gzipSync } from 'node:zlib'

import type { AgentOrder } from '#model/agent-folder.ts'
import type { AgentFiles } from '#providers/agent-files.ts'
import type { Programmed } from './groups.ts'
import { folders, masterPort, objectName } from './names.ts'

// Tasks of an array are leased in bulk by an agent of ours, which runs in the pod by the Node of its image. It comes along
// with the Secret, so that nothing of it is left at the cluster.

/** What the agent's first file is, and where it lies in the pod. */
export const agentEntry = 'src/agent/main.ts'
const agentFolder = `${folders.root}/agent`

/** Libraries that it could only want for a workdir, which the start script has brought, are left out. */
export function filesOfAgent(
  order: Programmed,
  { files, manifest }: AgentFiles,
  keeps: boolean,
): Record<string, string> {
  const all = { 'package.json': manifest, ...Object.fromEntries(files) }
  return {
    agent: packed(all),
    // A Secret holds 1 MiB, and a line of thousands is nearly the same for each.
    'agent-orders': packed(ordersOf(order, keeps)),
    'unpack.mjs': unpack,
  }
}

/** As a value of a Secret. */
export const packed = (value: unknown): string => gzipSync(JSON.stringify(value)).toString('base64')

function ordersOf(order: Programmed, keeps: boolean): AgentOrder[] {
  const { token, workload, attempt, credential, controlPlanes, graceMs } = order
  return order.groups.flatMap((group) =>
    group.ranks.map(({ rank, shape }, index) => ({
      token,
      workload,
      attempt,
      rank,
      credential,
      controlPlanes,
      graceMs,
      address: `${group.name}-${index}.${objectName(token)}`,
      masterPort,
      shape,
      // Its container sees those that it was given, and counts them from 0.
      accelerators: Array.from({ length: shape.accelerators }, (_, accelerator) => accelerator),
      confined: true,
      container: { checkpoints: keeps ? `${folders.checkpoints}/${workload}` : null },
    })),
  )
}

const unpack = `import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'

if (!process.features.typescript) {
  console.error('this rank could not be started: its image has Node ' + process.version + ', and arrays need Node 24')
  process.exit(1)
}
const unpacked = (name) =>
  JSON.parse(gunzipSync(Buffer.from(readFileSync(join(import.meta.dirname, name), 'utf8'), 'base64')).toString())
for (const [path, text] of Object.entries(unpacked('agent'))) {
  const file = join('${agentFolder}', path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
const order = unpacked('agent-orders').find(({ rank }) => String(rank) === process.env.ISOBAR_RANK)
writeFileSync('${folders.root}/order.json', JSON.stringify(order), { mode: 0o600 })
`

/** What a rank runs in whose place an agent takes tasks. The agent is not one of the processes that it looks after. */
export const runAgent = `
command -v node >/dev/null || { echo "this rank could not be started: its image has no Node, which the tasks of an array need: take one with Node 24" >&2; exit 125; }
node ${folders.program}/unpack.mjs || exit 125
unset ISOBAR_RANK NODE_RANK
exec node --disable-warning=ExperimentalWarning ${agentFolder}/${agentEntry} ${folders.root}
`
