import type { Amounts } from './quota.ts'

type Leaver = { request: { id: string; want: { project: string } }; way: { amounts: Amounts } }

/** What those hold together who leave, by project, so that all of them are counted out of quotas at once. */
export class Leaving {
  readonly #who = new Map<string, { project: string; amounts: Amounts }>()
  readonly #sums = new Map<string, Record<string, number>>()

  add({ request: { id, want }, way: { amounts } }: Leaver): void {
    if (this.#who.has(id)) return
    const one = { project: want.project, amounts }
    this.#who.set(id, one)
    this.#count(one, 1)
  }

  remove(id: string): void {
    const one = this.#who.get(id)
    if (!one) return
    this.#who.delete(id)
    this.#count(one, -1)
  }

  each(count: (project: string, amounts: Amounts) => void): void {
    for (const [project, sum] of this.#sums) count(project, sum)
  }

  #count({ project, amounts }: { project: string; amounts: Amounts }, sign: 1 | -1): void {
    const sum = this.#sums.get(project) ?? {}
    this.#sums.set(project, sum)
    for (const [resource, amount] of Object.entries(amounts)) sum[resource] = (sum[resource] ?? 0) + sign * amount
  }
}
