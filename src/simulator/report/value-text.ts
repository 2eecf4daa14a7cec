import { formatMoney } from '#kit/money.ts'

import { figures, type FigureName, type Value } from './figure.ts'

const sizes = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const

/** A time for people, with three digits or so: `845ms`, `12.5s`, `3.42h`, `111d`. */
export function timeText(ms: number): string {
  const [unit, size] = sizes.find(([, least]) => Math.abs(ms) >= least) ?? ['ms', 1]
  return `${threeDigits(ms / size)}${unit}`
}

function threeDigits(value: number): string {
  const size = Math.abs(value)
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2
  return groups(value.toFixed(digits))
}

/** Thousands apart: 82,247. */
const groups = (text: string): string => text.replaceAll(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, ',')

/** A figure as people read it. */
export function valueText(name: FigureName, value: Value): string {
  if (value === null) return ''
  switch (figures[name].measure) {
    case 'count':
      return groups(String(value))
    case 'ms':
      return timeText(Number(value))
    case 'part':
      return `${(Number(value) * 100).toFixed(2)} %`
    case 'ratio':
      return Number(value).toFixed(4)
    case 'hours':
      return `${threeDigits(Number(value))} h`
    case 'micros':
      return moneyText(BigInt(value))
  }
}

/** Whole dollars above a thousand of them, cents above one. */
function moneyText(micros: bigint): string {
  const size = micros < 0n ? -micros : micros
  const step = size >= 1_000_000_000n ? 1_000_000n : size >= 1_000_000n ? 10_000n : 1n
  const text = formatMoney((micros / step) * step)
  return step === 1_000_000n ? text.replace(/\.00$/, '') : text
}

/** A difference as people read it, always with its sign; `=` where there is none. */
export function differenceText(name: FigureName, value: Value): string {
  if (value === null) return ''
  if (Number(value) === 0) return '='
  const isPart = figures[name].measure === 'part'
  const text = isPart ? `${threeDigits(Number(value) * 100)} points` : valueText(name, value)
  return text.startsWith('-') ? `−${text.slice(1)}` : `+${text}`
}

/** Whether a difference is for the better, for the worse, or neither. */
export function isBetter(name: FigureName, difference: Value): boolean | null {
  const { better } = figures[name]
  if (better === null || difference === null || Number(difference) === 0) return null
  return Number(difference) > 0 === (better === 'more')
}
