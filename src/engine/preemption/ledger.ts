const hourMs = 3_600_000

/** Under this name, which no project has, moves are counted. */
export const moved = ' moved'

/**
 * Who was made to leave for whom, and how often work of a project was, lately.
 *
 * Nobody who was preempted for somebody preempts him in turn, nor anyone for whom he was in a row of preemptions: `mayEvict`
 * keeps the relation "was preempted for" free of circles. So without anybody new a queue comes to rest: who is at the top
 * of the relation is never preempted and starts once; anyone else starts at most once more than those above it start
 * together. (The number of starts of each, in the order of the relation, is the potential.)
 */
export class Ledger {
  /** For each who preempted: whom. */
  readonly #victims = new Map<string, Set<string>>()
  /** For each who was preempted: for whom. */
  readonly #causes = new Map<string, Set<string>>()
  /** When work of a project was preempted or moved; and under `moved` when any was moved. */
  readonly #times = new Map<string, number[]>()
  /** All of that, the oldest first. */
  readonly #noted: { project: string; at: number }[] = []

  mayEvict(by: string, victim: string): boolean {
    if (by === victim || !this.#victims.has(victim)) return by !== victim
    const seen = new Set<string>()
    const left = [victim]
    for (let at = left.pop(); at !== undefined; at = left.pop()) {
      if (at === by) return false
      if (seen.has(at)) continue
      seen.add(at)
      left.push(...(this.#victims.get(at) ?? []))
    }
    return true
  }

  /** How many of a project were preempted in the hour before now. */
  lately(project: string, now: number): number {
    const times = (this.#times.get(project) ?? []).filter((at) => at > now - hourMs)
    this.#times.set(project, times)
    return times.length
  }

  /** Those of which something was preempted an hour ago, each time told once. */
  expired(now: number): string[] {
    const still = this.#noted.findIndex(({ at }) => at > now - hourMs)
    return this.#noted.splice(0, still < 0 ? this.#noted.length : still).map(({ project }) => project)
  }

  /** When it is an hour since something of one of those was preempted that count; Infinity where nothing was. */
  nextExpiry(counts: (project: string) => boolean): number {
    const first = this.#noted.find(({ project }) => counts(project))
    return first ? first.at + hourMs : Infinity
  }

  note(by: string, victim: { id: string; project: string }, now: number): void {
    const victims = this.#victims.get(by) ?? new Set()
    this.#victims.set(by, victims.add(victim.id))
    const causes = this.#causes.get(victim.id) ?? new Set()
    this.#causes.set(victim.id, causes.add(by))
    this.#count(victim.project, now)
  }

  /** Whoever was noted last only had to move. */
  noteMove(now: number): void {
    this.#count(moved, now)
  }

  #count(project: string, now: number): void {
    const times = this.#times.get(project) ?? []
    this.#times.set(project, times)
    times.push(now)
    this.#noted.push({ project, at: now })
  }

  /** Somebody has ended for good, or does not wait any more. */
  forget(id: string): void {
    if (this.#victims.size + this.#causes.size === 0) return
    for (const victim of this.#victims.get(id) ?? []) this.#causes.get(victim)?.delete(id)
    for (const by of this.#causes.get(id) ?? []) this.#victims.get(by)?.delete(id)
    this.#victims.delete(id)
    this.#causes.delete(id)
  }
}
