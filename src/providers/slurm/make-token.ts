import { userInfo } from 'node:os'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import { askProgram, type Words } from '#providers/ask-program.ts'

import type { SlurmSite } from './config.ts'
import { type Command, runCommand } from './run-command.ts'

const mostMs = 10_000

/**
 * What prints tokens for a site. `by` is what it is called, and `words` what somebody types to try it; `lifespanMs` is how
 * long they last, where we ask for that.
 */
export type Maker = { by: string; words: string; print(): Promise<Outcome<string>>; lifespanMs?: number }

/** How a site has its tokens made: by a program that it names, by `scontrol token`, or not by us. */
export function makerOf(site: SlurmSite): Maker | null {
  const [program, ...argv] = site.tokenCommand ?? []
  if (program !== undefined) return byProgram([program, ...argv], site)
  return site.tokenLifespanMs === undefined ? null : byScontrol(site, site.tokenLifespanMs)
}

/** On this machine, as who runs Isobar. */
function byProgram(words: Words, { conf }: SlurmSite): Maker {
  const [by] = words
  const env: Record<string, string> = conf === undefined ? {} : { SLURM_CONF: conf }
  return {
    by,
    words: words.join(' '),
    async print() {
      const answer = await askProgram(words, { env, signal: new AbortController().signal }) // it has a limit of its own
      if ('missing' in answer) return fail('denied', 'later', `there is no ${by} on this machine`)
      return 'failed' in answer ? fail('denied', 'later', `${by}: ${answer.failed}`) : succeed(answer.out)
    },
  }
}

/** Where commands of Slurm run. For somebody else only root may have one made. */
function byScontrol({ conf, ssh, sshConfig, user }: SlurmSite, lifespanMs: number): Maker {
  const named = ssh === undefined && user !== userInfo().username ? [`username=${user}`] : []
  const command: Command = ['scontrol', 'token', `lifespan=${Math.ceil(lifespanMs / 1000)}`, ...named]
  return {
    by: 'scontrol token',
    words: `${ssh === undefined ? '' : `ssh ${ssh} `}${command.join(' ')}`,
    lifespanMs,
    async print() {
      const ended = await runCommand({ conf, ssh, sshConfig }, command, { signal: AbortSignal.timeout(mostMs) })
      if (!ended.ok) return ended
      const { code, out, err } = ended.value
      if (code === 0) return succeed(out)
      return fail('denied', 'later', `scontrol token: ${err.trim().split('\n')[0] || `it ended with ${code}`}`)
    },
  }
}
