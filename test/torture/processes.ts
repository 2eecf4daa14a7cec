import { globSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { type ProcessIdentity, signal, taggedProcesses } from '#kit/processes.ts'
import { agentFiles, leaseTag, rankTag } from '#model/agent-folder.ts'

type Started = { pid: number; agent: boolean }

/** Live processes that orders of this torture started: agents, known by their folder, and what they run, by its environment. */
export async function started(scratch: string): Promise<Started[]> {
  const tagged = await taggedProcesses(leaseTag)
  return tagged.flatMap(({ pid, environment }): Started[] => {
    if (environment.get('TORTURE') === scratch) return [{ pid, agent: false }]
    return !environment.has(rankTag) && commandOf(pid).includes(scratch) ? [{ pid, agent: true }] : []
  })
}

/** So few that the same gang would be hit again and again, and its site be left alone for minutes for that. */
const fewAgents = 10

/** Sends a signal to one agent, drawn at random, and returns its process; null while only a few run. */
export async function strikeAgent(scratch: string, name: NodeJS.Signals, draw: () => number): Promise<number | null> {
  const agents = (await started(scratch)).filter(({ pid, agent }) => agent && isItself(pid))
  if (agents.length < fewAgents) return null
  const drawn = agents[Math.floor(draw() * agents.length)]
  return drawn !== undefined && signal(drawn.pid, name) ? drawn.pid : null
}

export async function killAll(scratch: string): Promise<void> {
  for (const { pid } of await started(scratch)) signal(pid, 'SIGKILL')
}

/** Ends every PostgreSQL of a torture that was interrupted, and removes its data: below its folder, and where that says it is. */
export function dropDatabases(scratch: string): void {
  const records = globSync(['*/pg/where.json', '*/*/pg/where.json'], { cwd: scratch })
  const homes = records.map((path) => (JSON.parse(readFileSync(join(scratch, path), 'utf8')) as { home: string }).home) // ours
  for (const pid of readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)) {
    const [program = '', , data = ''] = commandOf(pid).split('\0')
    if (program.endsWith('/postgres') && [scratch, ...homes].some((folder) => data.startsWith(`${folder}/`)))
      signal(pid, 'SIGQUIT')
  }
  for (const home of homes) rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
}

/**
 * Whether a process that looks like an agent is the one that its folder names. What it runs looks the same for a moment,
 * between fork and exec; who kills that has killed a rank, and its job has failed.
 */
function isItself(pid: number): boolean {
  try {
    const folder =
      commandOf(pid)
        .split('\0')
        .findLast((word) => word.startsWith('/')) ?? ''
    return (JSON.parse(readFileSync(join(folder, agentFiles.agent), 'utf8')) as ProcessIdentity).pid === pid // its own file
  } catch {
    return false // not yet, or not any more
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // gone meanwhile
  }
}
