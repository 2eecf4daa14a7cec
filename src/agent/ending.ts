import { writeDurably } from '#kit/durable-file.ts'
import { shellCode } from '#kit/exit-code.ts'
import { signal, taggedProcessesSync } from '#kit/processes.ts'
import { agentFiles, type AgentOrder, leaseTag, type RankEnd, rankTag } from '#model/agent-folder.ts'
import type { Exit } from '#model/agent-protocol.ts'

/**
 * Kills whatever the rank started that left its process groups. A machine without /proc cannot tell. The rank is over, so
 * nothing is kept waiting by the look at all processes.
 */
export async function killStrays(order: AgentOrder): Promise<void> {
  // What was killed needs a moment to go, and may have had children meanwhile; but nothing waits here for ever.
  for (let tries = 0; tries < 50; tries++) {
    const strays = taggedProcessesSync(leaseTag, order.token).filter(
      ({ environment }) => environment.get(rankTag) === String(order.rank),
    )
    if (strays.length === 0) return
    for (const { pid } of strays) signal(pid, 'SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Who takes a machine away signals its processes one by one: for so long the agent may not have heard what its rank has. */
const mostApartMs = 1000

/** Waits, after an end that looks as if the machine were being taken away, until the agent was told to stop as well. */
export async function untilHeard(exit: Exit, stopped: Promise<void>): Promise<void> {
  if (shellCode(exit) === shellCode({ code: null, signal: 'SIGTERM' }))
    await Promise.race([stopped, new Promise((resolve) => setTimeout(resolve, mostApartMs))])
}

/** Writes down how a rank ended. A disk that is full may have room in a moment; the report alone must do if it has not. */
export async function record(end: RankEnd): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    try {
      writeDurably(agentFiles.end, JSON.stringify(end))
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
