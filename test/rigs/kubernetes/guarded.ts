import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** A program that ends when this process does, however that ends. */
export type Guarded = { pid: number; over: Promise<unknown>; end(): void }

/** Runs a program until it ends or the pipe from us breaks, which a SIGKILL of ours does as well. */
const guard = `
log=$1
shift
"$@" >>"$log" 2>&1 </dev/null &
program=$!
echo $program
exec 3<&0 2>/dev/null
{ read -r _ <&3; kill -KILL $program; } &
reader=$!
wait $program
kill $reader
`

/** Starts it, with its output added to the file `log`. */
export const startGuarded = (command: readonly string[], log: string): Promise<Guarded> =>
  startGuard(['sh', '-c', guard, 'guard', log, ...command])

/** Starts a program that tells a pid as its first line, and ends in good order when the pipe from us breaks. */
export async function startGuard([program = '', ...argv]: readonly string[]): Promise<Guarded> {
  const child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'inherit'], detached: true })
  const over = once(child, 'exit')
  const first = await Promise.race([once(child.stdout, 'data'), over.then(() => null)])
  if (first === null) throw new Error(`${[program, ...argv].join(' ')} could not be started`)
  return { pid: Number(String(first[0])), over, end: () => child.stdin.end() }
}
