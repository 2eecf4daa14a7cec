import type { Decision } from '#engine/queue/request.ts'
import type { Project } from '#model/project.ts'
import type { HouseRules, Way } from '#simulator/rules/house-rules.ts'

type Standing = { project: string; ways: readonly Way[] }

/** Holds projects to the most of their nodes that one provider may have, as everybody starts and leaves. */
export class ProviderShares {
  readonly #rules: HouseRules
  readonly #limited: ReadonlySet<string>
  readonly #waiting = new Map<string, Standing>()
  readonly #held = new Map<string, { project: string; way: Way }>()
  /** Projects that hold more or less than when those of them who wait were asked last. */
  readonly #changed = new Set<string>()

  constructor(rules: HouseRules, terms: readonly Project[]) {
    this.#rules = rules
    this.#limited = new Set(terms.flatMap(({ name, policy }) => (policy.maxProviderShare === undefined ? [] : [name])))
  }

  get areKept(): boolean {
    return this.#limited.size > 0
  }

  waits(id: string, standing: Standing): void {
    if (this.#limited.has(standing.project)) this.#waiting.set(id, standing)
  }

  /** Of the ways of somebody, by their numbers, those that it may go now. */
  within(id: string, options: readonly number[]): readonly number[] {
    const ways = this.#waiting.get(id)?.ways
    return ways ? options.filter((i) => !ways[i] || this.#rules.isWithinShare(ways[i])) : options
  }

  /** Each start counts for whoever is asked next. */
  decided(decision: Decision): boolean {
    if ('option' in decision) this.#started(decision.id, decision.option)
    return true
  }

  #started(id: string, option: number): void {
    const { project = '', ways } = this.#waiting.get(id) ?? {}
    const way = ways?.[option]
    this.#waiting.delete(id)
    if (!way) return
    this.#rules.hold(way, 1)
    this.#held.set(id, { project, way })
    this.#changed.add(project)
  }

  /** Somebody does not run, or wait, any more. */
  left(id: string): void {
    this.#waiting.delete(id)
    const held = this.#held.get(id)
    if (!held) return
    this.#rules.hold(held.way, -1)
    this.#held.delete(id)
    this.#changed.add(held.project)
  }

  /** Those who wait and may have other ways than when they were asked last; each is told once. */
  reopened(): string[] {
    if (this.#changed.size === 0) return []
    const ids = [...this.#waiting].flatMap(([id, { project }]) => (this.#changed.has(project) ? [id] : []))
    this.#changed.clear()
    return ids
  }
}
