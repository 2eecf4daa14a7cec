import type { Instant } from '#kit/clock.ts'

/** Something that happened in a simulated house: a call of a control plane, a step of the story, a death. */
export type Line = { at: Instant; who: string; what: string; outcome: string }

/** What happened, in its order: the last lines of it, and a digest of all. */
export type Trace = {
  note(line: Line): void
  /** The last lines, the oldest first. */
  last(most: number): Line[]
  /** Differs when anything happened otherwise, or at another time. */
  digest(): string
  /** Lines in all. */
  count(): number
}

/** Keeps so many lines. */
export function createTrace(kept: number): Trace {
  const lines: Line[] = []
  let count = 0
  let [high, low] = [0x9e3779b9, 0x85ebca6b]
  /** Multiplies and shifts as MurmurHash3 does, in two lanes. */
  const mix = (value: number): void => {
    high = Math.imul(high ^ value, 0xcc9e2d51)
    high ^= high >>> 15
    low = Math.imul(low ^ high ^ value, 0x1b873593)
    low ^= low >>> 13
  }
  const mixText = (text: string): void => {
    for (let i = 0; i < text.length; i++) mix(text.charCodeAt(i))
    mix(-1)
  }
  return {
    note(line) {
      mix(line.at | 0)
      mixText(line.who)
      mixText(line.what)
      mixText(line.outcome)
      lines[count % kept] = line
      count++
    },
    last(most) {
      const from = Math.max(0, count - Math.min(most, kept))
      return Array.from({ length: count - from }, (_, i) => lines[(from + i) % kept]).filter(
        (line) => line !== undefined,
      )
    },
    digest: () => (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0'),
    count: () => count,
  }
}

/** Lines as people read them, with the time since `from`. */
export const traceText = (lines: readonly Line[], from: Instant): string =>
  lines
    .map(
      ({ at, who, what, outcome }) => `${timeText(at - from)}  ${who.padEnd(10)} ${what}${outcome && `  ${outcome}`}`,
    )
    .join('\n')

const part = (value: number, digits: number): string => String(Math.floor(value)).padStart(digits, '0')

/** `01:02:03.004`, hours first. */
export function timeText(milliseconds: number): string {
  const [hours, minutes, seconds] = [milliseconds / 3_600_000, (milliseconds / 60_000) % 60, (milliseconds / 1000) % 60]
  return `${part(hours, 2)}:${part(minutes, 2)}:${part(seconds, 2)}.${part(milliseconds % 1000, 3)}`
}
