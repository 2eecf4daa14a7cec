import type { Preemptor } from '#engine/preemption/preemptor.ts'
import type { Held, Signature } from './request.ts'

/** Where nobody starts, they are asked again so often in a turn. */
export const quietAtMost = 2

/**
 * Those who sleep and would have others leave for them if only somebody could. Nobody of them is asked again for nothing:
 * who has no right to make anybody leave may only get one when something of its own branch of the quotas changes (it has
 * work of lower priority that runs, or borrows less); all others when something changes in their tree or in their cells.
 */
export class Askers {
  readonly #preemptor: Preemptor
  readonly #coming: (signature: Signature) => Held[]
  readonly #ofBranch = new Map<string, Set<Signature>>()
  /** Who had a right when it was looked at last. */
  readonly #able = new Set<Signature>()
  readonly #stirred = { branches: new Set<string>(), roots: new Set<string>(), cells: new Set<number>() }
  #isAllStirred = false

  /** `coming` tells for whom others leave already under the same quotas, as if they ran. */
  constructor(preemptor: Preemptor, coming: (signature: Signature) => Held[]) {
    this.#preemptor = preemptor
    this.#coming = coming
  }

  /** Somebody falls asleep. */
  add(signature: Signature): void {
    const branch = this.#preemptor.branchOf(signature.want.project)
    const same = this.#ofBranch.get(branch) ?? new Set()
    this.#ofBranch.set(branch, same.add(signature))
    this.#look(signature)
  }

  remove(signature: Signature): void {
    this.#ofBranch.get(this.#preemptor.branchOf(signature.want.project))?.delete(signature)
    this.#able.delete(signature)
  }

  /** Something changed of what runs in a cell, or of what a project holds; of anything where neither is told. */
  stir(cell: number | null, project: string | null): void {
    const { branches, roots, cells } = this.#stirred
    if (cell !== null) cells.add(cell)
    this.#isAllStirred ||= cell === null && project === null
    if (project === null) return
    branches.add(this.#preemptor.branchOf(project))
    roots.add(this.#preemptor.rootOf(project))
  }

  /** Those of all whom a change may have helped for whom somebody may be found now. */
  awoken(now: number): Signature[] {
    for (const project of this.#preemptor.mayLeaveAgain(now)) this.stir(null, project)
    const { branches, roots, cells } = this.#stirred
    if (roots.size + cells.size === 0 && !this.#isAllStirred) return []
    for (const branch of branches) for (const signature of this.#ofBranch.get(branch) ?? []) this.#look(signature)
    const isStirred = ({ want, cells: own }: Signature): boolean =>
      this.#isAllStirred || roots.has(this.#preemptor.rootOf(want.project)) || own.some((cell) => cells.has(cell))
    const found = [...this.#able].filter(
      (signature) =>
        !signature.reservation?.victims &&
        isStirred(signature) &&
        this.#preemptor.mayFind({ ...signature, coming: this.#coming(signature), now }),
    )
    for (const set of [branches, roots, cells]) set.clear()
    this.#isAllStirred = false
    return found
  }

  #look(signature: Signature): void {
    if (this.#preemptor.mayAsk({ ...signature, coming: this.#coming(signature) })) this.#able.add(signature)
    else this.#able.delete(signature)
  }
}
