import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { identify, lives, type ProcessIdentity, signal } from '#kit/processes.ts'

export type DaemonSetup = {
  argv: [string, ...string[]]
  /** The file for what it prints. */
  log: string
  env: NodeJS.ProcessEnv
  /** Whose process it is; ours without one. */
  user?: { uid: number; gid: number } | undefined
}

/** A program that ends with this process at the latest, however that ends. */
export type Daemon = {
  pid: number
  /** Sends a signal; with one that ends it, resolves once it is no more. */
  kill(name: NodeJS.Signals): Promise<void>
  /** Kills it and who watches over it. */
  end(): Promise<void>
}

export async function startDaemon({ argv, log, env, user }: DaemonSetup): Promise<Daemon> {
  const guard = spawn('sh', ['-c', script, log, ...argv], {
    env,
    cwd: dirname(log), // for what one leaves that ends badly
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    ...user,
  })
  const [first] = await once(guard.stdout, 'data')
  const pid = Number(String(first))
  const who: ProcessIdentity = identify(pid) ?? { pid, started: 'never' }
  const gone = async () => {
    while (lives(who)) await pause(5)
  }
  return {
    pid,
    async kill(name) {
      if (lives(who)) signal(pid, name)
      if (name === 'SIGKILL' || name === 'SIGTERM') await gone()
    },
    async end() {
      await endGuard(guard)
      await gone()
    },
  }
}

/** Runs the program until the pipe from us breaks, which a SIGKILL of ours does as well. */
const script = `
exec 3<&0
"$@" </dev/null >>"$0" 2>&1 3<&- &
echo $!
read -r _ <&3
kill -KILL $! 2>/dev/null
wait
`

/** Has a shell run a script when this process is no more; `end` has it do so now. */
export function atTheEnd(text: string, folder: string): { end(): Promise<void> } {
  const { PATH } = process.env
  const guard = spawn('sh', ['-c', `read -r _\n${text}`, folder], {
    env: { PATH },
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
  })
  return { end: () => endGuard(guard) }
}

async function endGuard(guard: ChildProcess): Promise<void> {
  if (guard.exitCode !== null || guard.signalCode !== null) return
  const over = once(guard, 'exit')
  guard.stdin?.end()
  await over
}
