import { spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * Makes the pipe that a rank writes to, and gives its name: unlike the sockets that Node makes, what has a name lets
 * programs open `/dev/stdout` and `/dev/stderr` again.
 */
export async function makePipe(): Promise<string> {
  const pipe = 'pipe'
  const making = spawn('mkfifo', ['-m', '600', pipe], { stdio: 'ignore' })
  const [code] = await once(making, 'exit')
  if (code !== 0) throw new Error(`mkfifo ended with ${code}: no pipe can be made in ${process.cwd()}`)
  return pipe
}
