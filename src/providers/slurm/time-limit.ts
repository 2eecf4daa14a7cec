import { formatDuration } from '#kit/duration.ts'
import { type Cause, causeOf } from '#model/cause.ts'
import type { GangOrder } from '#model/gang-folder.ts'
import type { RankSighting } from '#providers/provider.ts'

import type { SlurmJob } from './controller.ts'

type Times = Pick<GangOrder, 'maximumMs' | 'graceMs'>

/** Slurm's limit is a net below ours: it warns ranks up to a minute early, and looks at limits once in a minute or less. */
const marginMs = 180_000
const earlyMs = 60_000

/** The limit that a job is submitted with, in minutes; null where there is none. `mostMinutes`: what may be had there. */
export function minutesFor({ maximumMs, graceMs }: Times, mostMinutes: number | null): number | null {
  if (maximumMs === undefined) return mostMinutes
  const minutes = Math.ceil((maximumMs + graceMs + marginMs) / 60_000)
  return mostMinutes === null ? minutes : Math.min(minutes, mostMinutes)
}

/**
 * Why a rank of a job that has ended is lost, if it is because the time of the job was over, by the clock of Slurm alone. It
 * ran into its limit; or it was warned of that, so that ranks were taken away that had saved what they had: that is any
 * other end to Slurm.
 */
export function causeOfLimit(job: SlurmJob, order: Times, { state }: Pick<RankSighting, 'state'>): Cause | undefined {
  const { detail, minutes } = job
  const isOut = detail.startsWith('TIMEOUT')
  if (minutes === null || !(isOut || (state === 'lost' && wasWarned(job, order)))) return undefined
  const limit = formatDuration(minutes * 60_000)
  const said = isOut ? `Slurm says ${detail}` : `Slurm warned it, and then says ${detail}`
  const asked = minutesFor(order, null)
  return asked === null || minutes < asked
    ? causeOf(
        'deadline',
        said,
        `a job there may run ${limit} at most: save checkpoints to go on from, or ask for another site`,
      )
    : causeOf('deadline', said)
}

function wasWarned({ detail, minutes, startsAt, endsAt }: SlurmJob, { graceMs }: Times): boolean {
  if (minutes === null || startsAt === null || endsAt === null || !/^(COMPLETED|FAILED)/.test(detail)) return false
  return endsAt >= startsAt + minutes * 60_000 - graceMs - earlyMs
}
