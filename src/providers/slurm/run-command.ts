import { spawn } from 'node:child_process'

import { publicEnvironment } from '#kit/environment.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'

/** Where commands run, and for which cluster. */
export type Login = {
  /** The cluster's slurm.conf, where it is not the machine's own. */
  conf?: string | undefined
  /** A host as ssh knows it; without one commands run on this machine. */
  ssh?: string | undefined
  /** The configuration of ssh, where it is not the user's own. */
  sshConfig?: string | undefined
}

export type Command = [string, ...string[]]

export type MoreOfCommand = { input?: string; environment?: Record<string, string> }

type Ended = { code: number | null; out: string; err: string }

const mostBytes = 64 * 1024 * 1024

/** Runs a command of Slurm to its end. It sees nothing of ours but what anybody may see: `sbatch` hands it on to the job. */
export async function runCommand(
  login: Login,
  command: Command,
  { signal, input, environment = {} }: MoreOfCommand & { signal: AbortSignal },
): Promise<Outcome<Ended>> {
  const conf: Record<string, string> = login.conf === undefined ? {} : { SLURM_CONF: login.conf }
  const { SSH_AUTH_SOCK } = process.env
  const ended = await (login.ssh === undefined
    ? run(command, { signal, input, env: { ...publicEnvironment(process.env), ...conf, ...environment } })
    : run(sshTo(login, command, { ...conf, ...environment }), {
        signal,
        input,
        env: { ...publicEnvironment(process.env), ...(SSH_AUTH_SOCK === undefined ? {} : { SSH_AUTH_SOCK }) },
      }))
  if (ended === 'missing') return missing(login.ssh === undefined ? command[0] : 'ssh')
  if (signal.aborted) return fail('unreachable', 'later', `${command[0]} was given up before it answered`)
  return succeed(ended)
}

/**
 * The command of ssh that runs another there. The shell of that host reads what it is told, so each word is quoted whole.
 * Where programs and its home are that host knows better.
 */
export function sshTo({ ssh = '', sshConfig }: Login, command: Command, environment: Record<string, string>): Command {
  const told = Object.entries(environment).filter(([name]) => name !== 'PATH' && name !== 'HOME')
  const words = ['env', ...told.map(([name, value]) => `${name}=${value}`), ...command]
  const options = ['-o', 'BatchMode=yes', '-o', 'ConnectTimeout=10', '-o', 'ServerAliveInterval=15']
  return [
    'ssh',
    ...options,
    ...(sshConfig === undefined ? [] : ['-F', sshConfig]),
    '--',
    ssh,
    words.map(quoted).join(' '),
  ]
}

/** A word that a shell reads as it is. */
const quoted = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`

const missing = (program: string): Outcome<never> =>
  fail(
    'unreachable',
    'later',
    program === 'ssh'
      ? 'there is no ssh on this machine; install it, or give the site a rest address'
      : `there is no ${program} on this machine; install Slurm's commands, or give the site a rest address or an ssh host`,
  )

type Run = { signal: AbortSignal; input?: string | undefined; env: Record<string, string> }

function run([program, ...argv]: Command, { signal, input, env }: Run): Promise<Ended | 'missing'> {
  const over = Promise.withResolvers<Ended | 'missing'>()
  const child = spawn(program, argv, { env, cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] })
  const kill = () => child.kill('SIGKILL')
  const read = (parts: Buffer[]) => {
    let bytes = 0
    return (part: Buffer) => {
      bytes += part.length
      if (bytes > mostBytes) kill()
      else parts.push(part)
    }
  }
  const [out, err]: [Buffer[], Buffer[]] = [[], []]
  child.stdout.on('data', read(out))
  child.stderr.on('data', read(err))
  child.stdin.on('error', () => undefined) // it ended before it read what we say
  child.stdin.end(input)
  child.once('error', () => over.resolve('missing'))
  child.once('close', (code) =>
    over.resolve({ code, out: Buffer.concat(out).toString('utf8'), err: Buffer.concat(err).toString('utf8') }),
  )
  if (signal.aborted) kill()
  signal.addEventListener('abort', kill, { once: true })
  return over.promise.finally(() => signal.removeEventListener('abort', kill))
}
