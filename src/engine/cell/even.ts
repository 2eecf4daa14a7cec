import type { Ask } from './ask.ts'

/**
 * Shares a gang among the domains of its balanced level in a range: over the fewest that can hold it (the roomiest), and
 * over these so that the smallest share is as large as can be, then the next smallest, and so on.
 */
export function shareEvenly({ cell, form, balanced, units: need }: Ask, range: { first: number; end: number }): void {
  const units = form.layers[balanced]?.units
  const share = cell.share[balanced]
  if (!units || !share) return
  const order = Array.from({ length: range.end - range.first }, (_, i) => range.first + i)
  order.sort((a, b) => (units[b] ?? 0) - (units[a] ?? 0) || a - b)
  let [used, room] = [0, 0]
  while (room < need) room += units[order[used++] ?? 0] ?? 0
  let left = need
  for (let i = used - 1; i >= 0; i--) {
    const domain = order[i] ?? 0
    const given = Math.min(units[domain] ?? 0, Math.floor(left / (i + 1)))
    share[domain] = given
    left -= given
  }
}
