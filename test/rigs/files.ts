import { spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * Runs files of tests with real servers, each in a process of its own, two at a time: they mostly wait. What a file said is
 * told when it has ended, with its seconds; who asked for one file sees it as it comes. Where the rigs must be there, which
 * is in CI, a file that failed has one more chance with nothing beside it, and is told as unsteady. Gives the exit status.
 * `wrap` gives the command that runs another, where it needs to be run in a place of its own.
 */
export async function runFiles(
  files: readonly string[],
  { timeoutMs, wrap = (command) => command }: { timeoutMs: number; wrap?: (command: string[]) => string[] },
): Promise<number> {
  const isAlone = files.length === 1
  const passes = async (file: string): Promise<boolean> => {
    const [program = '', ...argv] = wrap([process.execPath, '--test', `--test-timeout=${timeoutMs}`, file])
    const began = performance.now()
    const child = spawn(program, argv, {
      stdio: ['ignore', ...(isAlone ? (['inherit', 'inherit'] as const) : (['pipe', 'pipe'] as const))],
    })
    const said: Buffer[] = []
    child.stdout?.on('data', (part: Buffer) => said.push(part))
    child.stderr?.on('data', (part: Buffer) => said.push(part))
    const [status] = (await once(child, 'close')) as [number | null]
    process.stdout.write(Buffer.concat(said))
    console.log(`${status === 0 ? 'ok' : 'FAILED'} ${file}, ${Math.round((performance.now() - began) / 1000)} s`)
    return status === 0
  }
  const waiting = [...files]
  const failed: string[] = []
  const lane = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
      if (!(await passes(file))) failed.push(file)
  }
  await Promise.all([lane(), lane()])
  if (process.env['ISOBAR_RIGS'] !== 'required') return failed.length === 0 ? 0 : 1
  const broken: string[] = []
  for (const file of failed)
    if (await passes(file)) console.log(`UNSTEADY, failed the first time: ${file}`)
    else broken.push(file)
  return broken.length === 0 ? 0 : 1
}
