import { formatInstant } from '#kit/instant.ts'
import { all } from '#engine/placement/words.ts'
import type { Refusal, Start } from '#model/plan.ts'

/** All that is said to people of why something waits, line by line: the cause, who is ahead, what frees it, and when. */
export function whyWaits({ text, ahead = [], frees, start }: Refusal): string[] {
  return [
    text,
    ...(ahead.length > 0 ? [`Ahead of it: ${all(ahead)}.`] : []),
    ...(frees ? [`What would free it: ${frees}`] : []),
    ...(start ? [`It is expected to start ${when(start)}.`] : []),
  ]
}

function when({ earliest, at, site }: Start): string {
  const time = earliest < at ? `between ${formatInstant(earliest)} and ${formatInstant(at)}` : `by ${formatInstant(at)}`
  return `${time} at ${site}; later only if what runs there takes longer than it said`
}
