import { release, take } from '#engine/cell/take.ts'

import { byLoss, Candidates, type Loses, type Pile } from './candidates.ts'
import { findVictims, type Eviction } from './victims.ts'

import type { Ask } from '#engine/cell/ask.ts'
import type { QuotaNode, QuotaTree } from '#engine/queue/quota.ts'
import { workOf, type Held, type Request, type Want, type Way } from '#engine/queue/request.ts'
import type { Shares } from '#engine/queue/share.ts'
import { mayPreempt, type Preemption } from '#model/project.ts'
import { moved, type Ledger } from './ledger.ts'

export type PreemptorOptions = {
  cells: number
  /** Whom work of a project may make leave, and how often its own may have to; never for who is not there. */
  terms: ReadonlyMap<string, Preemption>
  quotas: readonly QuotaNode[]
  quota: QuotaTree
  shares: Shares
  ledger: Ledger
  movesPerHour: number
  /** Whether somebody may be moved at all; everybody when absent. */
  mayMove?: ((request: Request) => boolean) | undefined
  /** What somebody who runs would lose; all since its start when absent, and null for who cannot leave now. */
  losesOf?: ((request: Request) => Loses | null) | undefined
}

/** What the line knows of the one who asks. */
export type Asking = {
  request: Request
  /** The ways that may be tried, best first. */
  ways: readonly Way[]
  now: number
  /** Those for whom others were told to leave before, as if they ran already. */
  coming: readonly Held[]
  /** What it asks for on a copy of a cell … */
  begin: (way: Way) => Ask
  /** … and what somebody asks for on the copy that was begun last. */
  again: (way: Way) => Ask
  /** Looks at all quotas of its tree as they are when all have left who are told to. */
  withoutLeaving: <T>(look: () => T) => T
  /** Counts somebody who runs out of all quotas, or in again. */
  leave: (held: Held) => void
  stay: (held: Held) => void
  /** Whether there is quota for it as it is counted now, promises to others kept. */
  hasQuota: (way: Way) => boolean
}

export type Found = Eviction & { isMove: boolean }

const movesAtMost = 8

/** Ways that are tried for one who asks. */
const waysAtMost = 4

const whole: Loses = { mostMs: Infinity, restartMs: 0 }

/**
 * Who has to leave for whom, with the rules of Kueue's cluster queues and hierarchical cohorts: a project may preempt its own
 * work of lower priority (`within`), and reclaim what others of its tree borrow (`reclaim`: of lower priority, or any), but
 * not to borrow itself. So a victim has lower priority and is of the same project; or its project, and each group that it is
 * in below the one in which both are, holds more than its own before it leaves, while on the other side one of them, the
 * project that preempts or a group of it, holds no more than its own afterwards. `Ledger` keeps it from going in circles.
 */
export class Preemptor {
  /** Whether anybody may make others leave; where nobody is but moved, who borrows is asked in turn like all others. */
  readonly takesBack: boolean
  readonly #isBounded: boolean
  readonly #given: PreemptorOptions
  readonly #parents: ReadonlyMap<string, string | null>
  readonly #paths = new Map<string, readonly string[]>()
  readonly #candidates: Candidates

  constructor(given: PreemptorOptions) {
    const { cells, terms, quotas, shares, losesOf } = given
    this.#given = given
    this.#isBounded = given.movesPerHour > 0 || [...terms.values()].some(({ perHour }) => perHour !== null)
    this.takesBack = [...terms.values()].some((preemption) => mayPreempt({ preemption }))
    this.#parents = new Map(quotas.map(({ name, parent }) => [name, parent]))
    this.#candidates = new Candidates({
      cells,
      rootOf: (project) => this.rootOf(project),
      partOf: ({ amounts }) => shares.part(amounts),
      losesOf: ({ request }) => (losesOf ? losesOf(request) : whole),
    })
  }

  /** Is told of everybody who starts … */
  runs(held: Held): void {
    this.#candidates.add(held)
  }

  /** … and of everybody who has ended. */
  ended(held: Held): void {
    this.#candidates.remove(held)
  }

  /** Whether somebody has a right to make others leave, whoever runs; what it holds and what it borrows decide. */
  mayAsk(one: Rights): boolean {
    const { terms, movesPerHour } = this.#given
    const { project } = one.want
    if (movesPerHour > 0 || this.#ownPiles(one.want).length > 0) return true
    if ((terms.get(project)?.reclaim ?? 'never') === 'never') return false
    const mine = this.#whole(project)
    // Who leaves already is still counted, and a root borrows when anybody does.
    if (this.#candidates.leaving.size > 0 || mine.length === 1) return true
    return one.ways.some((way) => mine.slice(0, -1).some((node) => !this.#borrows(node, way, one)))
  }

  /** Whether it is not out of the question that `find` finds somebody for one who has a right. */
  mayFind(one: Rights & { now: number }): boolean {
    const { ledger, movesPerHour } = this.#given
    const mayLeave = ({ project }: Pile): boolean => this.#left(project, one.now) > 0
    return (
      movesPerHour > ledger.lately(moved, one.now) ||
      this.#ownPiles(one.want).some(mayLeave) ||
      this.#othersPiles({ ...one, owners: new Map() }).some(mayLeave)
    )
  }

  #mayFindWithout(gone: readonly Held[], one: Rights & { now: number }): boolean {
    const { quota } = this.#given
    const held = new Map<string, Record<string, number>>()
    for (const { request, way } of gone) {
      const sum = held.get(request.want.project) ?? {}
      held.set(request.want.project, sum)
      for (const [resource, amount] of Object.entries(way.amounts)) sum[resource] = (sum[resource] ?? 0) + amount
    }
    for (const [project, amounts] of held) quota.remove(project, amounts)
    const may = this.mayFind(one)
    for (const [project, amounts] of held) quota.add(project, amounts)
    return may
  }

  /** How often work of a project may have to leave in this hour. */
  #left(project: string, now: number): number {
    const { perHour = null } = this.#given.terms.get(project) ?? {}
    return perHour === null ? Infinity : perHour - this.#given.ledger.lately(project, now)
  }

  /** Those whose work may leave again, as it is an hour since some of it had to; null for all who may be moved. */
  mayLeaveAgain(now: number): (string | null)[] {
    return this.#given.ledger.expired(now).map((project) => (project === moved ? null : project))
  }

  /** When work may leave or be moved again that may not now, as that is allowed so often an hour. */
  nextMayLeave(): number {
    if (!this.#isBounded) return Infinity
    const { ledger, movesPerHour, terms } = this.#given
    return ledger.nextExpiry((project) =>
      project === moved ? movesPerHour > 0 : typeof terms.get(project)?.perHour === 'number',
    )
  }

  /** Who has to leave so that somebody can start at once: whom it may preempt, or else whom it may move. Null: nobody. */
  find(asking: Asking): Found | null {
    const root = this.rootOf(asking.request.want.project)
    const cells = new Set(asking.ways.map(({ cell }) => cell))
    const leaving = [...this.#candidates.leaving]
    const gone = leaving.filter(({ request }) => this.rootOf(request.want.project) === root)
    const here = leaving.filter(({ way }) => cells.has(way.cell))
    const begin = (way: Way): Ask => {
      const ask = asking.begin(way)
      for (const held of here) if (held.way.cell === way.cell) release(ask.cell, held.gang)
      return ask
    }
    const { want } = asking.request
    // Mostly there is nobody, and those who leave need not be counted out one by one, of each promise as well.
    if (!this.#mayFindWithout(gone, { ...asking, want })) return null
    const known: Case = { ...asking, want, begin, gone: gone.length + here.length > 0, owners: new Map() }
    return asking.withoutLeaving(() => this.#findVictims(known) ?? this.#findMoves(known))
  }

  /** Writes down that somebody was told to leave. */
  note(by: Request, victim: Held, { isMove, now }: { isMove: boolean; now: number }): void {
    const { request } = victim
    const { project } = request.want
    this.#candidates.leaves(victim)
    this.#given.ledger.note(workOf(by), { id: workOf(request), project }, now)
    if (isMove) this.#given.ledger.noteMove(now)
  }

  /** Of the ways the one with the least loss. */
  #findVictims(known: Case): Found | null {
    const { request, ways, begin, hasQuota } = known
    const own = this.#ownPiles(request.want)
    const others = this.#othersPiles(known)
    if (own.length + others.length === 0) return null
    // Where it is enough that some leave anyway, nobody else has to.
    if (known.gone && ways.some((way) => hasRoom(begin(way)) && hasQuota(way))) return null
    let best: Found | null = null
    for (const way of ways.slice(0, waysAtMost)) {
      const found = this.#reclaim(known, { way, own, others }) ?? this.#search(known, { way, piles: own, keeps: null })
      if (found && (!best || found.loss < best.loss)) best = { ...found, isMove: false }
    }
    return best
  }

  /** The project first, then its groups: whichever holds no more than its own may take back from who is outside of it. */
  #reclaim(known: Case, { way, own, others }: { way: Way; own: Pile[]; others: Pile[] }): Eviction | null {
    const mine = this.#whole(known.request.want.project)
    for (let level = 0; level < Math.max(1, mine.length - 1); level++) {
      const keeps = mine[level]
      const outside = others.filter(({ project }) => Math.max(1, this.#meet(project, mine)) > level)
      if (keeps === undefined || outside.length === 0) break
      // Where none of its own leaves, nothing changes that.
      if (own.length === 0 && this.#borrows(keeps, way, known)) continue
      const found = this.#search(known, { way, piles: [...own, ...outside], keeps })
      if (found) return found
    }
    return null
  }

  #search(known: Case, { way, piles, keeps }: Choice): Eviction | null {
    if (piles.length === 0) return null
    const { request, now, begin, again, leave, stay, hasQuota } = known
    const { ledger } = this.#given
    const here = piles.filter(({ cell }) => cell === way.cell)
    const count = this.#budgets(now)
    const { project } = request.want
    return findVictims({
      way,
      begin: () => begin(way),
      again,
      order: (where) => {
        const next = byLoss(where === 'here' ? here : piles, now)
        return () => {
          let one = next()
          while (one && !ledger.mayEvict(workOf(request), workOf(one.held.request))) one = next()
          return one
        }
      },
      mayLeave: ({ held: { request: victim } }) =>
        count(victim.want.project, 0) > 0 &&
        (victim.want.project === project || this.#isReclaimable(victim.want.project, way, known)),
      leave: ({ held }) => {
        count(held.request.want.project, -1)
        leave(held)
      },
      stay: ({ held }) => {
        count(held.request.want.project, 1)
        stay(held)
      },
      isRight: () => hasQuota(way) && (keeps === null || !this.#borrows(keeps, way, known)),
      most: Infinity,
    })
  }

  /** How many of each project may still have to leave in this hour, as some are chosen. */
  #budgets(now: number): (project: string, by: number) => number {
    const left = new Map<string, number>()
    return (project, by) => {
      const before = left.get(project) ?? this.#left(project, now)
      left.set(project, before + by)
      return before + by
    }
  }

  /**
   * Frees a domain for a gang by moving others: those with the least loss that have room elsewhere when it has its own, as
   * tried on a copy of the cell. It needs no right to preempt them, since they only start anew; so few of them may be moved,
   * and nobody for who is less urgent.
   */
  #findMoves({ request, ways, now, begin, again, hasQuota, gone }: Case): Found | null {
    const { ledger, movesPerHour, mayMove } = this.#given
    const most = movesPerHour > 0 ? Math.min(movesAtMost, movesPerHour - ledger.lately(moved, now)) : 0
    if (most <= 0) return null
    // Nobody is moved where enough leaves anyway.
    if (gone && ways.some((way) => hasRoom(begin(way)) && hasQuota(way))) return null
    for (const way of ways.slice(0, waysAtMost)) {
      if (!hasQuota(way)) continue
      const count = this.#budgets(now)
      const found = findVictims({
        way,
        begin: () => begin(way),
        again,
        order: () => byLoss(this.#candidates.inCell(way.cell), now),
        mayLeave: ({ held: { request: other } }) =>
          other.want.priority <= request.want.priority &&
          count(other.want.project, 0) > 0 &&
          mayMove?.(other) !== false &&
          ledger.mayEvict(workOf(request), workOf(other)),
        leave: ({ held }) => void count(held.request.want.project, -1),
        stay: ({ held }) => void count(held.request.want.project, 1),
        isRight: () => true,
        haveRoom: (victims) => haveRoom(victims, again),
        most,
      })
      if (found) return { ...found, isMove: true }
    }
    return null
  }

  #ownPiles(want: Want): Pile[] {
    if ((this.#given.terms.get(want.project)?.within ?? 'never') === 'never') return []
    return [...this.#candidates.ofProject(want.project)].filter(({ priority }) => priority < want.priority)
  }

  #othersPiles(known: Rights & Pick<Case, 'owners'>): Pile[] {
    const { want } = known
    const reclaim = this.#given.terms.get(want.project)?.reclaim ?? 'never'
    if (reclaim === 'never') return []
    const isOver = ({ project }: Pile): boolean => {
      const is = known.owners.get(project) ?? known.ways.some((way) => this.#isReclaimable(project, way, known))
      known.owners.set(project, is)
      return is
    }
    return [...this.#candidates.underRoot(this.rootOf(want.project))].filter(
      (pile) => pile.project !== want.project && (reclaim === 'any' || pile.priority < want.priority) && isOver(pile),
    )
  }

  /** Whether a project, and each group that it is in without the one who asks, holds more than its own. */
  #isReclaimable(victim: string, way: Way, { want, coming }: Rights): boolean {
    const mine = this.#whole(want.project)
    const theirs = this.#whole(victim)
    const apart = theirs.slice(0, theirs.indexOf(mine[this.#meet(victim, mine)] ?? ''))
    return apart.length > 0 && this.#soon(coming, (quota) => apart.every((node) => isOver(quota, node, way)))
  }

  /** How far up a path those of another project are in the same group. */
  #meet(project: string, path: readonly string[]): number {
    const other = this.#whole(project)
    return path.findIndex((node) => other.includes(node))
  }

  /** Whether a project that starts something, or a group of it, holds more than its own then. */
  #borrows(node: string, way: Way, { want, coming }: Rights): boolean {
    const { project } = want
    return this.#soon(coming, (quota) => {
      quota.add(project, way.amounts)
      const does = isOver(quota, node, way)
      quota.remove(project, way.amounts)
      return does
    })
  }

  /** The tree of quotas that a project is in … */
  rootOf(project: string): string {
    return this.#whole(project).at(-1) ?? project
  }

  /** … and its branch below the root. */
  branchOf(project: string): string {
    return this.#whole(project).at(-2) ?? project
  }

  #whole(project: string): readonly string[] {
    const known = this.#paths.get(project)
    if (known) return known
    const path: string[] = []
    for (let at: string | null | undefined = project; at; at = this.#parents.get(at)) path.push(at)
    this.#paths.set(project, path)
    return path
  }

  /** Looks at the quotas as they are when all have started who are to anyway. */
  #soon<T>(coming: readonly Held[], look: (quota: QuotaTree) => T): T {
    const { quota } = this.#given
    for (const { request, way } of coming) quota.add(request.want.project, way.amounts)
    const seen = look(quota)
    for (const { request, way } of coming) quota.remove(request.want.project, way.amounts)
    return seen
  }
}

/** What decides whether somebody may make others leave. */
type Rights = Pick<Asking, 'ways' | 'coming'> & { want: Want }

/** `gone`: some leave anyway, and are counted as if they had. `owners`: which projects hold more than their own. */
type Case = Asking & { want: Want; gone: boolean; owners: Map<string, boolean> }

/** Who may have to leave, and the project or group that may not borrow then. */
type Choice = { way: Way; piles: readonly Pile[]; keeps: string | null }

const isOver = (quota: QuotaTree, node: string, { amounts }: Way): boolean =>
  Object.keys(amounts).some((resource) => quota.borrowed(node, resource) > 0)

const hasRoom = (ask: Ask): boolean => take(ask.cell, ask) >= 0

/** Whether all of them find room on the copy, the largest first: they are the hardest to place. */
function haveRoom(victims: readonly Held[], again: (way: Way) => Ask): boolean {
  const taken: (() => void)[] = []
  const have = victims
    .toSorted((a, b) => b.way.ask.ranks - a.way.ask.ranks)
    .every(({ way }) => {
      const ask = again(way)
      const gang = take(ask.cell, ask)
      if (gang >= 0) taken.push(() => release(ask.cell, gang))
      return gang >= 0
    })
  for (const undo of taken) undo()
  return have
}
