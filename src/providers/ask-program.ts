import { execFile, type ExecFileException } from 'node:child_process'

/** A program with its arguments; no shell reads them. */
export type Words = readonly [string, ...string[]]

/** What a program printed, or why it told nothing. `missing`: there is no such program on this machine. */
export type Answer = { out: string } | { missing: string } | { failed: string }

/** It may have to ask a cloud; it never has somebody at a keyboard to ask. */
const mostMs = 30_000
const mostBytes = 1024 * 1024
const mostSaid = 500

/**
 * Asks a program that the user named for a credential. It finds its account in variables of its own cloud, of which we know
 * no list, so that it sees all of ours, and `env`. What it printed is in no failure, for it may hold what we asked for; the last
 * of what it said beside that (on standard error) is, in one line and without what looks like a token.
 */
export const askProgram = (
  [program, ...argv]: Words,
  { env, signal }: { env: Record<string, string>; signal: AbortSignal },
): Promise<Answer> =>
  new Promise((resolve) => {
    const limits = { timeout: mostMs, killSignal: 'SIGKILL', maxBuffer: mostBytes } as const
    const ended = (error: ExecFileException | null, out: string, err: string): void => {
      if (!error) return resolve({ out })
      if (error.code === 'ENOENT') return resolve({ missing: program })
      resolve({ failed: withoutTokens(err).replaceAll(/\s+/g, ' ').trim().slice(-mostSaid) || withoutWords(error) })
    }
    try {
      const child = execFile(program, argv, { env: { ...process.env, ...env }, ...limits, signal }, ended)
      child.stdin?.on('error', () => undefined) // it ended before it read that there is nothing to read
      child.stdin?.end()
    } catch (error) {
      // Node calls back for a few reasons why there is nothing to run, and throws for the others.
      resolve({ failed: withoutWords(error as ExecFileException) })
    }
  })

/**
 * A program that failed may show what it was about to tell: tokens of Slurm and OIDC, of Amazon and of Google begin so; or
 * the address of a proxy with a name and a password.
 */
const withoutTokens = (text: string): string =>
  text.replaceAll(/\b(eyJ[\w-]+\.|k8s-aws-v1\.|ya29\.)[\w.-]+/g, '…').replaceAll(/:\/\/[^\s/@"']+@/g, '://…@')

function withoutWords({ killed, code }: ExecFileException): string {
  // Of Node, not of the program: what kept it from running, or from being heard.
  if (code === 'ABORT_ERR') return 'it was given up before it answered'
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return `it printed more than ${mostBytes} bytes`
  if (typeof code === 'string') return `it cannot be run (${code})`
  if (killed) return `it did not answer within ${mostMs / 1000} s`
  return `it ended with ${code ?? 'a signal'}`
}
