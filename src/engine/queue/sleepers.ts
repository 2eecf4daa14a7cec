import type { Askers } from './askers.ts'
import type { QuotaNode } from './quota.ts'
import type { Lack, Signature, Way } from './request.ts'

type May = {
  mayHaveQuota: (signature: Signature) => boolean
  /** Equal for those to whom the same nodes are open of those that a cell keeps for others. */
  fenceFor: (signature: Signature, cell: number) => string
  /** Asked once for all who need the same there and to whom the same is open. */
  mayHaveRoom: (way: Way, by: Signature) => boolean
}

const nobody: ReadonlySet<Signature> = new Set()

/** Who is to be asked, and who sleeps until that may change for which nobody looks before. */
export class Sleepers {
  #awake = new Set<Signature>()
  #hear: ((signature: Signature) => void) | null = null
  readonly #onCell: readonly Set<Signature>[]
  /** For each cell those who lack room there, by what they need: where one has no room, the others have none. */
  readonly #forRoom: readonly Map<string, Map<Signature, Way>>[]
  readonly #underRoot = new Map<string, Set<Signature>>()
  readonly #grown: number[] = []
  readonly #freed: string[] = []
  readonly #parents: ReadonlyMap<string, string | null>
  readonly #askers: Askers | null

  constructor(cells: number, quotas: readonly QuotaNode[], askers: Askers | null) {
    this.#askers = askers
    this.#onCell = Array.from({ length: cells }, () => new Set())
    this.#forRoom = Array.from({ length: cells }, () => new Map())
    this.#parents = new Map(quotas.map(({ name, parent }) => [name, parent]))
  }

  /** Who is to be asked. */
  get awake(): ReadonlySet<Signature> {
    return this.#awake
  }

  /** Is told of everybody who comes among those who are to be asked, until somebody else is or nobody. */
  whenAwake(hear: ((signature: Signature) => void) | null): void {
    this.#hear = hear
  }

  /** The tree of quotas that a project is in. */
  rootOf(project: string): string {
    let root = project
    for (let above = this.#parents.get(root); above; above = this.#parents.get(root)) root = above
    return root
  }

  /** Those who sleep and could stand in a cell, if more holds for them. */
  on(cell: number, holds: (signature: Signature) => boolean = () => true): Signature[] {
    const found: Signature[] = []
    for (const signature of this.#onCell[cell] ?? []) if (holds(signature)) found.push(signature)
    return found
  }

  areOn(cell: number): boolean {
    return (this.#onCell[cell]?.size ?? 0) > 0
  }

  /** Puts somebody among those who sleep for what they lack, or with null among those who are to be asked. */
  add(signature: Signature, lack: Lack | null): void {
    this.remove(signature)
    signature.asleep = lack
    if (lack === null) {
      this.#awake.add(signature)
      this.#hear?.(signature)
      return
    }
    for (const cell of signature.cells) this.#onCell[cell]?.add(signature)
    if (lack.room)
      for (const way of signature.ways) {
        const same = this.#forRoom[way.cell]?.get(way.need) ?? new Map<Signature, Way>()
        this.#forRoom[way.cell]?.set(way.need, same.set(signature, way))
      }
    this.#askers?.add(signature)
    if (!lack.quota) return
    const root = this.rootOf(signature.want.project)
    const same = this.#underRoot.get(root) ?? new Set()
    this.#underRoot.set(root, same.add(signature))
  }

  remove(signature: Signature): void {
    const wasAwake = this.#awake.delete(signature)
    if (wasAwake && this.#awake.size === 0) this.#awake = new Set() // as in Rows
    if (wasAwake || signature.asleep === null) return
    this.#askers?.remove(signature)
    for (const cell of signature.cells) this.#onCell[cell]?.delete(signature)
    if (signature.asleep.room)
      for (const { cell, need } of signature.ways) {
        const same = this.#forRoom[cell]?.get(need)
        same?.delete(signature)
        if (same?.size === 0) this.#forRoom[cell]?.delete(need)
      }
    if (signature.asleep.quota) this.#underRoot.get(this.rootOf(signature.want.project))?.delete(signature)
  }

  /** There may be more room in a cell, and more quota in the tree of a project. */
  stir(cell: number, project: string | null): void {
    this.#askers?.stir(cell, project)
    if (!this.#grown.includes(cell)) this.#grown.push(cell)
    if (project === null) return
    const root = this.rootOf(project)
    if (!this.#freed.includes(root)) this.#freed.push(root)
  }

  /** Whether there is anybody to be asked about. */
  get areStirred(): boolean {
    return this.#grown.length > 0
  }

  /** There may be somebody else in a cell, or of a project, who could leave for others. */
  mayLeave(cell: number | null, project: string | null): void {
    this.#askers?.stir(cell, project)
  }

  /** Wakes those for whom somebody might leave now; whether there are any. */
  wakeAskers(now: number): boolean {
    const awoken = this.#askers?.awoken(now) ?? []
    for (const signature of awoken) this.add(signature, null)
    return awoken.length > 0
  }

  /** Asks about all for whom something was stirred up, and wakes them. */
  wake(may: May): void {
    for (const root of this.#freed)
      for (const signature of this.#underRoot.get(root) ?? nobody)
        if (may.mayHaveQuota(signature)) this.add(signature, null)
    for (const cell of this.#grown)
      for (const signature of this.#withRoom(cell, may)) if (signature.asleep) this.add(signature, null)
    this.#freed.length = 0
    this.#grown.length = 0
  }

  #withRoom(cell: number, may: May): Signature[] {
    const found: Signature[] = []
    const needs = this.#forRoom[cell]
    if (!needs || needs.size === 0) return found
    const [fences, rooms]: [string[], boolean[]] = [[], []]
    for (const same of needs.values()) {
      fences.length = 0
      for (const [signature, way] of same) {
        const fence = may.fenceFor(signature, cell)
        let at = fences.indexOf(fence)
        if (at === -1) {
          at = fences.push(fence) - 1
          rooms[at] = may.mayHaveRoom(way, signature)
        }
        if (rooms[at]) found.push(signature)
      }
    }
    return found
  }
}
