import { readFileSync } from 'node:fs'

/** The boot that this machine is in; another one after a restart. Empty where the system does not tell. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

/**
 * When a process was born, in a form that no later process with the same id has: the boot and the clock ticks since.
 * Null when there is no such process. Where the system does not tell, being alive is all there is to say.
 */
export function birthOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Fields after the name, which is in parentheses and may hold anything (proc_pid_stat(5)): the 22nd is the start.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' || state === 'X' ? null : `${bootId()} ${fields[18]}`
  } catch {
    return process.platform === 'linux' || !isAlive(pid) ? null : 'alive'
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
