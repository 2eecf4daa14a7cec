import { readFileSync } from 'node:fs'

import { monotonicMs } from '#kit/clock.ts'
import { madeFirst } from '#kit/first.ts'
import { identify } from '#kit/processes.ts'
import { agentFiles, type AgentOrder } from '#model/agent-folder.ts'
import type { Go } from '#model/agent-protocol.ts'

import { makePipe } from './pipe.ts'

// The folder may be renamed while we run (it is on its way out, or its disk is moved): a working directory follows.
process.chdir(process.argv[2] ?? '.')
const order = JSON.parse(readFileSync(agentFiles.order, 'utf8')) as AgentOrder // written by whoever started us
if (isFirst()) {
  const go = permitted(order)
  // Who may start already needs it at once; it is made while the rest is loaded.
  const pipe = go && makePipe()
  const { runAgent } = await import('./agent.ts')
  await runAgent(order, go && pipe ? { go, pipe } : null)
}
// Nothing may keep us: what had to be said is said, and open sockets to the control plane are idle.
process.exit(0)

/** What to start with before anybody is asked, while the permit to do so holds. */
function permitted({ permit }: AgentOrder): Go | null {
  const holds = permit && Date.now() < permit.until.wallMs && monotonicMs() < permit.until.monotonicMs
  return holds ? permit.go : null
}

/** Whether no agent ran in this folder before. Each rank starts at most once, however often an agent is started. */
function isFirst(): boolean {
  const text = JSON.stringify(identify(process.pid))
  return madeFirst(agentFiles.agent, { own: `${agentFiles.agent}.${process.pid}`, text })
}
