import { drawOf } from '#kit/random.ts'
import type { Faults } from './faults.ts'
import type { Gang } from './gang.ts'
import { drawMs, type Range } from './range.ts'
import type { Fate } from './trouble.ts'

type At = { seed: string | number; faults: Faults; /** When it meets its fate. */ at: number }

/** Fates that a gang may also meet in its life, and not only as it is ordered. */
export const lateFates = ['hung', 'dropped', 'preempted', 'vanished'] as const satisfies Fate[]

/** What becomes of a gang that meets a fate; each draw belongs to its token. The first that makes ranks odd stays. */
export function meet(gang: Gang, fate: Fate, { seed, faults, at }: At): void {
  const draw = (purpose: string, range: readonly [number, number]) => drawMs(range, seed, gang.token, purpose)
  switch (fate) {
    case 'hidden':
      gang.shownFrom = gang.acceptedAt + draw('hidden', orElse(faults.hiddenMs, faults.lagMs))
      return
    case 'ghost':
      gang.ghostMs = draw('ghost', orElse(faults.ghostMs, faults.lagMs))
      return
    case 'slow-boot':
      gang.startAt += draw('slow-boot', faults.slowMs)
      return
    case 'slow-stop':
      gang.teardownMs += draw('slow-stop', faults.slowMs)
      gang.lingers = true
      return
    case 'missing':
    case 'unbooted':
    case 'hung':
    case 'dropped':
      gang.odd ??= oddRanks(gang, fate, { seed, faults, at })
      return
    case 'preempted':
      gang.told = true
      gang.noticedAt = Math.min(gang.noticedAt, at)
      gang.takenAt = Math.min(gang.takenAt, at + draw('notice', faults.noticeMs))
      return
    case 'vanished':
      gang.told = false
      gang.takenAt = Math.min(gang.takenAt, at)
      return
  }
}

/** What is told to happen and takes no time by itself lasts as long as views may be old. */
const orElse = (range: Range, other: Range): Range => (range[1] > 0 ? range : other)

/** Some of its ranks, at most half of them and at least one. Of a single node one cannot say that some are missing. */
function oddRanks(
  { token, ranks }: Gang,
  fate: NonNullable<Gang['odd']>['how'],
  { seed, faults, at }: At,
): Gang['odd'] {
  const how = fate === 'missing' && ranks === 1 ? 'unbooted' : fate
  const many = how === 'missing' || how === 'unbooted' ? Math.max(1, Math.floor(ranks / 2)) : 1
  const count = 1 + Math.floor(drawOf(seed, token, how, 'count') * many)
  const first = Math.floor(drawOf(seed, token, how, 'first') * ranks)
  const odd = Array.from({ length: Math.min(count, ranks) }, (_, i) => (first + i) % ranks)
  return { how, ranks: odd, at, told: drawOf(seed, token, how, 'told') < faults.told }
}
