import { spawn } from 'node:child_process'

import { groupLives, signal } from '#kit/processes.ts'
import type { Exit } from '#model/agent-protocol.ts'

/** A shell script that runs as a process group of its own. */
export type Group = {
  /** Number of the leader and of the group; absent when it could not be started. */
  pid: number | undefined
  /** How the leader ended, once nothing of its group is left. */
  ended: Promise<Exit>
  /** SIGTERM now, SIGKILL after `graceMs`. Asked again, the earlier end counts. */
  stop(graceMs: number): void
}

export type Script = {
  text: string
  folder: string
  environment: Record<string, string>
  /** File descriptor for standard output and error, both, so that they interleave as they were written. */
  output: number
  /** `cgroup.procs` of the control group that it joins before it starts. */
  cgroup: string | undefined
}

/** Timers that are longer fire at once. */
const longestTimerMs = 2 ** 31 - 1

export function startGroup(script: Script): Group {
  const child = spawnShell(script)
  let killAt = Number.POSITIVE_INFINITY
  let timer: NodeJS.Timeout | undefined

  const left = Promise.withResolvers<Exit>()
  child.once('error', () => left.resolve({ code: 126, signal: null, outOfMemory: false }))
  child.once('exit', (code, name) => left.resolve({ code, signal: name, outOfMemory: false }))

  let over = false
  const ended = left.promise.then(async (exit) => {
    clearTimeout(timer)
    if (child.pid !== undefined) await emptyGroup(child.pid, () => killAt)
    over = true // From now on another group may have the number.
    return exit
  })
  return {
    pid: child.pid,
    ended,
    stop(graceMs) {
      if (over || child.pid === undefined || Date.now() + graceMs >= killAt) return
      const group = -child.pid
      killAt = Date.now() + graceMs
      clearTimeout(timer)
      signal(group, graceMs > 0 ? 'SIGTERM' : 'SIGKILL')
      timer = setTimeout(() => signal(group, 'SIGKILL'), Math.min(graceMs, longestTimerMs))
    },
  }
}

function spawnShell({ text, folder, environment, output, cgroup }: Script) {
  // The shell itself joins the control group and then becomes the script, so that no child can be born outside.
  const args = cgroup ? ['-c', 'echo $$ >"$0"; exec /bin/sh -c "$1"', cgroup, text] : ['-c', text]
  return spawn('/bin/sh', args, { cwd: folder, env: environment, detached: true, stdio: ['ignore', output, output] })
}

/**
 * Waits until the group has no process left. The script is over when its leader is, so the rest is killed, unless it
 * was told to stop: a shell dies of SIGTERM at once while its child still writes a checkpoint.
 */
async function emptyGroup(pid: number, killAt: () => number): Promise<void> {
  for (let pause = 1; groupLives(pid); pause = Math.min(50, pause * 2)) {
    if (killAt() === Number.POSITIVE_INFINITY || Date.now() >= killAt()) signal(-pid, 'SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}
