/** What a line of scontrol says of a field; empty where nothing. */
export const fieldOf = (line: string, name: string): string =>
  new RegExp(`(?:^| )${name}=(\\S*)`).exec(line)?.[1]?.replace(/^\(null\)$|^N\/A$/, '') ?? ''

/** Seconds since the epoch as our milliseconds; null where Slurm has no idea, which it says in words or with a 0. */
export const instantOf = (seconds: number | string | null): number | null => Number(seconds) * 1000 || null

/** A limit such as `UNLIMITED`, `30:00`, `2:00:00` or `7-00:00:00`, in whole minutes; null where there is none. */
export function minutesOf(limit: string): number | null {
  const [, days = '0', hours = '0', minutes] = /^(?:(\d+)-)?(?:(\d+):)?(\d+):\d+$/.exec(limit) ?? []
  return minutes === undefined ? null : Number(days) * 1440 + Number(hours) * 60 + Number(minutes)
}
