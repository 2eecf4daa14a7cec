/** What is wrong with a piece of text, in words fit for the person who wrote it. */
export type Unreadable = { problem: string }

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const
const part = /(\d+(?:\.\d+)?) *(ms|s|m|h|d|w) */gy
/** A hundred years: a sum with the time of day must stay a date. */
const longestMs = 36_525 * unitMs.d

/** Reads `90s`, `1h30m`, `1.5h`, `500ms`, `7d` (or a bare number of seconds) as whole milliseconds. */
export function parseDuration(text: string | number): number | Unreadable {
  if (typeof text === 'number') return text >= 0 ? bounded(text * 1000, text) : notADuration(text)
  const trimmed = text.trim()
  let total = 0
  let end = 0
  part.lastIndex = 0
  for (let match = part.exec(trimmed); match; match = part.exec(trimmed)) {
    const [, amount, unit] = match
    total += Number(amount) * unitMs[unit as keyof typeof unitMs] // the pattern allows no other unit
    end = part.lastIndex
  }
  return end > 0 && end === trimmed.length ? bounded(total, text) : notADuration(text)
}

/** The shortest exact text of a duration in milliseconds: `1h30m`, `0s`. Inverse of `parseDuration`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s'
  let rest = milliseconds
  let text = ''
  for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
    const count = Math.floor(rest / unitMs[unit])
    if (count > 0) text += `${count}${unit}`
    rest -= count * unitMs[unit]
  }
  return text
}

/** A time that something took, for people: `0.3s`, `6.1s`, `42s`, `3m20s`, `5h`, `12d`. Never read back. */
export function roundDuration(milliseconds: number): string {
  if (milliseconds < 9_950) return `${Math.round(Math.max(0, milliseconds) / 100) / 10}s`
  const seconds = Math.round(milliseconds / 1000)
  const at = wholeUnits.findIndex(([, size]) => seconds >= size)
  const [unit, size] = wholeUnits[at] ?? ['s', 1]
  const count = Math.floor(seconds / size)
  const next = wholeUnits[at + 1]
  const rest = next ? Math.floor((seconds % size) / next[1]) : 0
  return next && rest > 0 && count < 10 ? `${count}${unit}${rest}${next[0]}` : `${count}${unit}`
}

const wholeUnits = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const

const bounded = (milliseconds: number, text: string | number): number | Unreadable =>
  milliseconds <= longestMs
    ? Math.round(milliseconds)
    : { problem: `"${text}" is longer than a hundred years; write a shorter time` }

const notADuration = (text: string | number): Unreadable => ({
  problem: `"${text}" is not a duration; write for example 90s, 30m, 1h30m or 7d`,
})
