import { colours } from './style.ts'
import { timeText } from './value-text.ts'

/** A line of a plot: its name, and points from left to right. */
export type Line = { name: string; points: readonly (readonly [x: number, y: number])[]; faint?: true }

/** An axis: where it ends, where its marks are, and what they say. Positions are values, not pixels. */
export type Axis = { from: number; to: number; ticks: readonly { at: number; text: string }[]; log?: true }

/** Something that goes on from one place of the x axis to another; to the end, where it is null. */
export type Band = { fromMs: number; toMs: number | null; text: string }

export type Plot = {
  title: string
  note: string
  x: Axis
  y: Axis
  lines: readonly Line[]
  bands?: readonly Band[]
  steps?: true
}

const [width, height] = [600, 270]
const [left, right, top, bottom] = [58, 14, 12, 34]

/** Makes text safe inside HTML, in attributes too. */
export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** A plot as a figure of HTML with an SVG in it. Colours are classes: the page knows light and dark. */
export function plotHtml({ title, note, x, y, lines, steps, bands = [] }: Plot): string {
  const [px, py] = [scale(x, left, width - right), scale(y, height - bottom, top)]
  const grid = y.ticks.map(
    ({ at, text }) =>
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${py(at)}" y2="${py(at)}"/>` +
      `<text class="tick" x="${left - 8}" y="${py(at)}" dy="0.32em" text-anchor="end">${escaped(text)}</text>`,
  )
  const marks = x.ticks.map(
    ({ at, text }) =>
      `<line class="mark" x1="${px(at)}" x2="${px(at)}" y1="${height - bottom}" y2="${height - bottom + 4}"/>` +
      // The first stands to the right of its mark: below it, it would touch that of the other axis on a narrow page.
      `<text class="tick" x="${px(at)}" y="${height - bottom + 18}" text-anchor="${at === x.from ? 'start' : 'middle'}">${escaped(text)}</text>`,
  )
  const shades = bands
    .filter(({ fromMs }) => fromMs <= x.to)
    .map(({ fromMs, toMs, text }) => {
      const [from, to] = [px(fromMs), px(Math.min(x.to, toMs ?? x.to))]
      const size = `x="${from}" width="${Math.max(1, Math.round((to - from) * 10) / 10)}" y="${top}" height="${height - bottom - top}"`
      return `<rect class="band" ${size}><title>${escaped(text)}</title></rect>`
    })
  const paths = lines.map(({ points, name, faint }, i) => {
    const d = pathOf(points, { px, py, steps: steps === true })
    return `<path class="line ${classOf(i)}${faint ? ' faint' : ''}" d="${d}"><title>${escaped(name)}</title></path>`
  })
  const legend = lines.map(
    ({ name, faint }, i) => `<span class="key ${classOf(i)}${faint ? ' faint' : ''}">${escaped(name)}</span>`,
  )
  const shaded = shades.length > 0 ? '<span class="key event">shaded: what the scenario does</span>' : ''
  return [
    `<figure class="plot"><figcaption><b>${escaped(title)}</b> <span>${escaped(note)}</span></figcaption>`,
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(`${title}. ${note}`)}">`,
    ...shades,
    ...grid,
    ...marks,
    `<line class="mark" x1="${left}" x2="${width - right}" y1="${height - bottom}" y2="${height - bottom}"/>`,
    ...paths,
    `</svg><div class="keys">${legend.join('')}${shaded}</div></figure>`,
  ].join('')
}

/** How a run is drawn, by its number: equal in all plots. */
export const classOf = (index: number): string => `c${index % colours}${index < colours ? '' : ' again'}`

type Scale = (value: number) => number

function scale({ from, to, log }: Axis, first: number, last: number): Scale {
  const of = (value: number): number => (log ? Math.log(Math.max(value, from)) : value)
  const span = of(to) - of(from) || 1
  return (value) => Math.round((first + ((of(value) - of(from)) / span) * (last - first)) * 10) / 10
}

function pathOf(points: Line['points'], { px, py, steps }: { px: Scale; py: Scale; steps: boolean }): string {
  let d = ''
  for (const [i, [x, y]] of points.entries()) {
    if (i === 0) d = `M${px(x)} ${py(y)}`
    else d += steps ? `H${px(x)}V${py(y)}` : `L${px(x)} ${py(y)}`
  }
  return d
}

const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000]
const timeSteps = [1, 2, 5, 10, 30]
  .map((n) => n * second)
  .concat([1, 2, 5, 10, 30].map((n) => n * minute))
  .concat([1, 2, 6, 12].map((n) => n * hour))
  .concat([1, 2, 5, 10, 20, 30, 60, 90, 180, 365].map((n) => n * day))

/** Time from zero, in steps that people count in. */
export function timeAxis(endMs: number): Axis {
  const step = timeSteps.find((size) => endMs / size <= 8) ?? 1000 * day
  const count = Math.floor(endMs / step)
  const unit = [day, hour, minute, second].find((size) => step % size === 0) ?? second
  const name = { [day]: 'd', [hour]: 'h', [minute]: 'm', [second]: 's' }[unit] ?? 's'
  const ticks = Array.from({ length: count + 1 }, (_, i) => ({ at: i * step, text: `${(i * step) / unit}${name}` }))
  return { from: 0, to: Math.max(1, endMs), ticks }
}

const decades = [second, 10 * second, minute, 10 * minute, hour, day, 10 * day, 100 * day, 1000 * day]

/** Time on a logarithmic scale, from a tenth of a second or a second; shorter ones stand at its left end. */
export function logTimeAxis(mostMs: number): Axis {
  const from = mostMs < 10 * second ? 10 : second
  const ticks = [10, 100, ...decades]
    .filter((at) => at >= from && at <= mostMs)
    .map((at) => ({ at, text: timeText(at) }))
  return { from, to: Math.max(2 * from, mostMs), ticks, log: true }
}

/** From zero to a round number above the most. */
export function countAxis(most: number): Axis {
  const size = 10 ** Math.floor(Math.log10(Math.max(1, most)))
  const step = [size / 5, size / 2, size, 2 * size].find((one) => most / one <= 5) ?? size
  const to = Math.max(step, Math.ceil(most / step) * step)
  const ticks = Array.from({ length: Math.round(to / step) + 1 }, (_, i) => ({
    at: i * step,
    text: shortCount(i * step, to),
  }))
  return { from: 0, to, ticks }
}

/** In the unit of the last mark of its axis. */
function shortCount(value: number, last: number): string {
  const [unit, size] = last >= 1e6 ? (['M', 1e6] as const) : last >= 1e4 ? (['k', 1e3] as const) : (['', 1] as const)
  return value === 0 ? '0' : `${Number((value / size).toFixed(2))}${unit}`
}

/** From nothing to all. */
export const partAxis: Axis = {
  from: 0,
  to: 1,
  ticks: [0, 0.25, 0.5, 0.75, 1].map((at) => ({ at, text: `${at * 100} %` })),
}
