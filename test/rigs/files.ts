import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** So long a file may take in all; the longest takes five minutes on two busy cores. */
const fileMs = 15 * 60_000

type How = {
  /** So long one of its tests may take. */
  timeoutMs: number
  /** The command that runs another, where files need a place of their own. */
  wrap?: (command: string[]) => string[]
}

/**
 * Runs files of tests with real servers, each in a process of its own, two at a time: they mostly wait. What a file said is
 * told when it has ended, with its seconds; who asked for one file sees it as it comes. Where the rigs must be there, which
 * is in CI, a file that failed has one more chance with nothing beside it, and is told as unsteady. Gives the exit status.
 */
export async function runFiles(files: readonly string[], how: How): Promise<number> {
  const waiting = [...files]
  const failed: string[] = []
  const lane = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
      if (!(await passes(file, { ...how, isAlone: files.length === 1 }))) failed.push(file)
  }
  await Promise.all([lane(), lane()])
  if (process.env['ISOBAR_RIGS'] !== 'required') return failed.length === 0 ? 0 : 1
  const broken: string[] = []
  for (const file of failed)
    if (await passes(file, { ...how, isAlone: false })) console.log(`UNSTEADY, failed the first time: ${file}`)
    else broken.push(file)
  return broken.length === 0 ? 0 : 1
}

async function passes(
  file: string,
  { timeoutMs, wrap = (command) => command, isAlone }: How & { isAlone: boolean },
): Promise<boolean> {
  // Seen twice: Node 24.21 turns round and round for ever when it clears up, after the last test, what a cluster that stood
  // still has left of its connections. An exit that is told does not clear up.
  const flags = ['--test', '--test-force-exit', `--test-timeout=${timeoutMs}`]
  const [program = '', ...argv] = wrap([process.execPath, ...flags, file])
  const began = performance.now()
  const seen = isAlone ? 'inherit' : 'pipe'
  const child = spawn(program, argv, { stdio: ['ignore', seen, seen], detached: true })
  const end = (): void => void (child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'))
  const limit = setTimeout(end, fileMs)
  const forwarded = (signal: NodeJS.Signals): void => void (child.pid !== undefined && process.kill(-child.pid, signal))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, forwarded)
  const said: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => said.push(part))
  const [status] = (await once(child, 'close')) as [number | null]
  clearTimeout(limit)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, forwarded)
  process.stdout.write(Buffer.concat(said))
  console.log(`${status === 0 ? 'ok' : 'FAILED'} ${file}, ${Math.round((performance.now() - began) / 1000)} s`)
  return status === 0
}
