import { writeDurably } from '#kit/durable-file.ts'
import { signal, taggedProcessesSync } from '#kit/processes.ts'
import { agentFiles, type AgentOrder, leaseTag, type RankEnd, rankTag } from '#model/agent-folder.ts'

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
