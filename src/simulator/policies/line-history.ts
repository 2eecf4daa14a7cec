import { checkPreemption, type Event } from '#engine/preemption/check-preemption.ts'
import { checkLine, type Happened } from '#engine/queue/check-line.ts'
import type { QuotaNode } from '#engine/queue/quota.ts'
import { broken } from '#simulator/replay/broken-rule.ts'

type World = Parameters<typeof checkLine>[1] & Parameters<typeof checkPreemption>[1]

/** Of how many ranks the checker may look at where they stand: it looks at all who run at each start. */
const mostRanks = 50_000

/**
 * What happened in a queue since it began, for its checker: as much of it as can be checked in no time, and no more than
 * until the first node fails or comes back, for from there on nobody can promise anything.
 */
export class LineHistory {
  readonly #world: World
  readonly #knowsPreemption: boolean
  readonly #happened: (Happened | Event)[] = []
  readonly #ranks = new Map<string, number>()
  #standing = 0
  #left = mostRanks

  constructor(world: World) {
    this.#world = { ...world, quotas: limited(world.quotas) }
    this.#knowsPreemption = isKnown(world.quotas)
  }

  get isOpen(): boolean {
    return this.#left > 0
  }

  note(event: Happened | Event): void {
    if ('preempts' in event && !this.#knowsPreemption) this.close()
    if (!this.isOpen) return
    this.#happened.push(event)
    if ('started' in event) {
      this.#ranks.set(event.started, event.ranks.length)
      this.#standing += event.ranks.length
      this.#left -= this.#standing
    } else if ('ended' in event) this.#standing -= this.#ranks.get(event.ended) ?? 0
    else this.#left-- // events cost too
    if (!this.isOpen) this.#check()
  }

  /** Checks what there is, and nothing that comes later. */
  close(): void {
    if (!this.isOpen) return
    this.#left = 0
    this.#check()
  }

  /** Promises, and the order of a row, hold until somebody is preempted. */
  #check(): void {
    const before: Happened[] = []
    for (const event of this.#happened) {
      if ('preempts' in event) break
      before.push(event)
    }
    const all: Event[] = this.#happened.flatMap((event) => ('promised' in event ? [] : [event]))
    const [fact] = [...checkLine(before, this.#world), ...checkPreemption(all, this.#world)]
    if (fact !== undefined) broken(fact)
    this.#happened.length = 0
  }
}

/** The checker of preemption knows of accelerators, in trees of two levels. */
function isKnown(quotas: readonly QuotaNode[]): boolean {
  const roots = new Set(quotas.filter(({ parent }) => parent === null).map(({ name }) => name))
  return quotas.every(
    ({ nominal, parent }) =>
      Object.keys(nominal).every((resource) => resource === 'gpu') && (parent === null || roots.has(parent)),
  )
}

/** The trees in which anybody has a quota of accelerators; to the checker, who has none of them may have none. */
function limited(quotas: readonly QuotaNode[]): QuotaNode[] {
  const byName = new Map(quotas.map((node) => [node.name, node]))
  const rootOf = ({ name, parent }: QuotaNode): string => {
    const above = parent === null ? undefined : byName.get(parent)
    return above ? rootOf(above) : name
  }
  const roots = new Set(quotas.filter(({ nominal }) => nominal['gpu'] !== undefined).map(rootOf))
  return quotas.filter((node) => roots.has(rootOf(node)))
}
