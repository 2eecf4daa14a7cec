import { endOfGang } from '#providers/simulated/gang.ts'
import type { Event } from '#model/event.ts'
import type { Invariant, Seen, There } from './invariant.ts'

/** A notice that somebody could hear of, and whether that was so all the time since. */
type Noticed = { attempt: string; graceMs: number; isExcused: boolean }

/** Of what is taken away after notice, the ranks are told to end in time for their grace, where there was time. */
export function noticeIsHeeded(): Invariant {
  const noticed = new Map<string, Noticed | null>()
  const toldAt = new Map<string, number>()
  return {
    name: 'what is taken away after notice is told to end in time',
    rule: 2,
    when: 'always',
    check(seen) {
      for (const event of seen.events) noteEnd(toldAt, event)
      for (const { key, after } of seen.changes.attempts) if (after === null) toldAt.delete(key)
      const leaving = seen.gangs.filter(({ gang }) => gang.told && gang.noticedAt <= seen.now)
      const breaches = leaving.flatMap((there) => {
        const { token, takenAt } = there.gang
        const known = noticed.get(token) ?? (noticed.has(token) ? null : begin(there, seen))
        noticed.set(token, known)
        if (!known) return []
        known.isExcused ||= !seen.able(there.site) || seen.lied(there)
        if (seen.now < takenAt) return []
        noticed.set(token, null) // judged, once
        return known.isExcused ? [] : tooLate(there, { ...known, at: toldAt.get(known.attempt) ?? Infinity }, seen)
      })
      const there = new Set(leaving.map(({ gang }) => gang.token))
      for (const token of noticed.keys()) if (!there.has(token)) noticed.delete(token)
      return breaches
    },
  }
}

/** From when on an attempt was on its way down, whatever for. */
function noteEnd(toldAt: Map<string, number>, { type, at, data }: Event): void {
  if (!type.startsWith('attempt.') || type === 'attempt.placed' || type === 'attempt.running') return
  const attempt = String(data['attempt'])
  toldAt.set(attempt, Math.min(toldAt.get(attempt) ?? Infinity, at))
}

/** One that is to be heeded: of what runs well, and early enough. */
function begin({ gang }: There, { known, bounds, agentsOf }: Seen): Noticed | null {
  const lease = known.leases.get(gang.token)
  if (!lease || (lease.state !== 'starting' && lease.state !== 'held') || gang.odd || gang.stop) return null
  const hasEnded = agentsOf(gang.token)?.some(({ exitCode }) => exitCode !== null)
  const early = gang.takenAt - gang.noticedAt >= lease.graceMs + bounds.noticeMs
  return early && !hasEnded ? { attempt: lease.attempt, graceMs: lease.graceMs, isExcused: false } : null
}

function tooLate(
  { site, gang }: There,
  { attempt, graceMs, at }: Noticed & { at: number },
  { agentsOf }: Seen,
): string[] {
  const { token, noticedAt, takenAt } = gang
  const byItself =
    agentsOf(token)?.some(({ exitCode }) => exitCode !== null) ?? endOfGang({ ...gang, stop: null }) < takenAt
  if (at <= takenAt - graceMs || (at === Infinity && byItself)) return []
  const told = at === Infinity ? 'never told to end' : `told to end at ${at}`
  return [`attempt ${attempt} was ${told}, though ${site} took ${token} away at ${takenAt} and said so at ${noticedAt}`]
}
