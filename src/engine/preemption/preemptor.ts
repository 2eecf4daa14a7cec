import { take } from '#engine/cell/take.ts'

import { findVictims, type Eviction } from './victims.ts'

import type { Ask } from '#engine/cell/ask.ts'
import type { QuotaNode, QuotaTree } from '#engine/queue/quota.ts'
import { workOf, type Held, type Request, type Way } from '#engine/queue/request.ts'
import type { Shares } from '#engine/queue/share.ts'
import type { Preemption } from '#model/project.ts'
import type { Candidate } from './domains.ts'
import type { Ledger } from './ledger.ts'

export type PreemptorOptions = {
  /** Whom work of a project may make leave, and how often its own may have to; never for who is not there. */
  terms: ReadonlyMap<string, Preemption>
  quotas: readonly QuotaNode[]
  quota: QuotaTree
  shares: Shares
  ledger: Ledger
  /** How long somebody who runs since then would have to run again, its restart included; all of it when absent; without end for who cannot leave now. */
  movesPerHour: number
  losesMs?: ((request: Request, since: number, now: number) => number) | undefined
}

/** What the line knows of the one who asks. */
export type Asking = {
  request: Request
  /** The ways that may be tried, best first. */
  ways: readonly Way[]
  now: number
  /** All who run in the cells of these ways, or under the quotas of its project. */
  holders: readonly Held[]
  /** Those for whom others were told to leave before, as if they ran already. */
  coming: readonly Held[]
  /** What it asks for where those who leave anyway have left … */
  begin: (way: Way) => Ask
  /** What somebody asks for on the copy that was begun last. */
  again: (way: Way) => Ask
  /** … and whether there is quota for it then, promises to others kept, when some more have left. */
  hasQuota: (way: Way, without: readonly Held[]) => boolean
}

const hasRoom = (ask: Ask): boolean => take(ask.cell, ask) >= 0

export type Found = Eviction & { isMove: boolean }

/** Under this name, which no project has, moves are counted. */
const moved = ' moved'
const movesAtMost = 8

/** Ways that are tried for one who asks. */
const waysAtMost = 4

/**
 * Who has to leave for whom, with the rules of Kueue's cluster queues: a project may preempt its own work of lower priority
 * (`within`), and reclaim what others of its tree borrow (`reclaim`: of lower priority, or any), but not to borrow itself.
 * So a victim has lower priority and is of the same project, or its project holds more than its own before it leaves, while
 * that of who preempts holds no more than its own afterwards. `Ledger` keeps it from going in circles.
 */
export class Preemptor {
  readonly #given: PreemptorOptions
  readonly #parents: ReadonlyMap<string, string | null>
  readonly #parts = new WeakMap<Way, number>()
  readonly #paths = new Map<string, readonly string[]>()

  constructor(given: PreemptorOptions) {
    this.#given = given
    this.#parents = new Map(given.quotas.map(({ name, parent }) => [name, parent]))
  }

  /** Of the ways the one with the least loss, or null; so that it can start at once when the victims have left. */
  find(asking: Asking): Found | null {
    const { terms } = this.#given
    const { request, ways, now, holders, coming, hasQuota } = asking
    const soon = { gone: holders.filter(({ leaves }) => leaves), coming }
    const { project } = request.want
    const own = terms.get(project)
    if (!own || (own.within === 'never' && own.reclaim === 'never')) return null
    const rootOf = (held: Held): string | undefined => this.#whole(held.request.want.project).at(-1)
    const root = this.#whole(project).at(-1)
    const owners = new Map<string, boolean>()
    const isOver = (victim: string): boolean => {
      const known = owners.get(victim)
      if (known !== undefined) return known
      const is = ways.some((way) => this.#isReclaimable(victim, [], { way, project, now, soon }))
      owners.set(victim, is)
      return is
    }
    const may = holders.filter(
      (held) =>
        this.#isCandidate(held, request, own) &&
        rootOf(held) === root &&
        (held.request.want.project === project || isOver(held.request.want.project)),
    )
    if (may.length === 0) return null
    const candidates = this.#byLoss(may, now)
    // Where it is enough that some leave anyway, nobody else has to.
    if (soon.gone.length > 0 && ways.some((way) => hasRoom(asking.begin(way)) && hasQuota(way, []))) return null
    let best: Found | null = null
    for (const way of ways.slice(0, waysAtMost)) {
      const search = { way, begin: () => asking.begin(way) }
      const mayLeave = (one: Candidate, after: readonly Candidate[]) =>
        this.#mayLeave(one, after, { way, project, now, soon })
      const quotaFor = (without: readonly Candidate[]) =>
        hasQuota(
          way,
          without.map(({ held }) => held),
        )
      const ownOnly = candidates.filter(({ held }) => held.request.want.project === project)
      const found =
        (candidates.length > ownOnly.length
          ? findVictims({
              ...search,
              candidates,
              mayLeave,
              hasQuota: (without) => quotaFor(without) && !this.#borrows({ way, project, now, soon }, without),
            })
          : null) ??
        (ownOnly.length > 0 ? findVictims({ ...search, candidates: ownOnly, mayLeave, hasQuota: quotaFor }) : null)
      if (found && (!best || found.loss < best.loss)) best = { ...found, isMove: false }
    }
    return best
  }

  /**
   * Frees a domain for a gang by moving others: those with the least loss that have room elsewhere when it has its own, as
   * tried on a copy of the cell. It needs no right to preempt them, since they only start anew; so few of them may be moved.
   * This is tried when somebody is asked; who sleeps is not woken because others could be moved now (`Line.reconsider`).
   */
  findMoves(asking: Asking): Found | null {
    const { ledger, movesPerHour } = this.#given
    const { request, ways, now, holders, again, hasQuota } = asking
    const left = movesPerHour > 0 ? Math.min(movesAtMost, movesPerHour - ledger.lately(moved, now)) : 0
    if (left <= 0) return null
    const movable = holders.filter((held) => !held.leaves && ledger.mayEvict(workOf(request), workOf(held.request)))
    const candidates = this.#byLoss(movable, now)
    for (const way of ways.slice(0, waysAtMost)) {
      if (!hasQuota(way, [])) continue
      const found = findVictims({
        way,
        begin: () => asking.begin(way),
        candidates: candidates.filter(({ held }) => held.way.cell === way.cell),
        mayLeave: (_, after) => after.length < left,
        hasQuota: () => true,
        // The largest first: they are the hardest to place.
        haveRoom: (victims) =>
          victims
            .toSorted((a, b) => b.held.way.ask.ranks - a.held.way.ask.ranks)
            .every(({ held }) => take(again(held.way).cell, again(held.way)) >= 0),
      })
      if (found) return { ...found, isMove: true }
    }
    return null
  }

  /** Writes down that somebody was told to leave. */
  note(by: Request, victim: Request, { isMove, now }: { isMove: boolean; now: number }): void {
    const project = isMove ? moved : victim.want.project
    this.#given.ledger.note(workOf(by), { id: workOf(victim), project }, now)
  }

  #byLoss(holders: readonly Held[], now: number): Candidate[] {
    return holders
      .map((held) => ({ held, loss: this.#lossOf(held, now) }))
      .filter(({ loss }) => loss < Infinity)
      .sort((a, b) => a.loss - b.loss)
  }

  /** Time that is lost, times the largest part of all there is of a resource that it holds. */
  #lossOf({ request, way, since }: Held, now: number): number {
    const { losesMs, shares } = this.#given
    const part = this.#parts.get(way) ?? shares.part(way.amounts)
    this.#parts.set(way, part)
    return (losesMs?.(request, since, now) ?? now - since) * part
  }

  #isCandidate({ request, leaves }: Held, by: Request, own: Preemption): boolean {
    if (leaves) return false
    const [{ want }, { want: wanted }] = [request, by]
    const isLower = want.priority < wanted.priority
    const may =
      want.project === wanted.project
        ? own.within !== 'never' && isLower
        : own.reclaim === 'any' || (own.reclaim === 'lower-priority' && isLower)
    return may && this.#given.ledger.mayEvict(workOf(by), workOf(request))
  }

  #mayLeave({ held }: Candidate, after: readonly Candidate[], { way, project, now, soon }: Case): boolean {
    const { terms, ledger } = this.#given
    const victim = held.request.want.project
    const before = after.filter((one) => one.held.request.want.project === victim).length
    if (ledger.lately(victim, now) + before >= (terms.get(victim)?.perHour ?? Infinity)) return false
    return victim === project || this.#isReclaimable(victim, after, { way, project, now, soon })
  }

  /** Whether a project, or a group that it is in without the one who asks, holds more than its own. */
  #isReclaimable(victim: string, after: readonly Candidate[], { way, project, soon }: Case): boolean {
    return this.#without(after, soon, (quota) => {
      const mine = new Set(this.#path(project))
      return this.#path(victim).some((node) => !mine.has(node) && this.#isOver(quota, node, way))
    })
  }

  #borrows({ way, project, soon }: Case, without: readonly Candidate[]): boolean {
    return this.#without(without, soon, (quota) => {
      quota.add(project, way.amounts)
      const does = this.#path(project).some((node) => this.#isOver(quota, node, way))
      quota.remove(project, way.amounts)
      return does
    })
  }

  #isOver = (quota: QuotaTree, node: string, { amounts }: Way): boolean =>
    Object.keys(amounts).some((resource) => quota.borrowed(node, resource) > 0)

  /** A project and the groups that it is in, without the root: that one owns all there is. */
  #path(project: string): readonly string[] {
    const path = this.#whole(project)
    return path.length > 1 ? path.slice(0, -1) : path
  }

  #whole(project: string): readonly string[] {
    const known = this.#paths.get(project)
    if (known) return known
    const path: string[] = []
    for (let at: string | null | undefined = project; at; at = this.#parents.get(at)) path.push(at)
    this.#paths.set(project, path)
    return path
  }

  /** Looks at the quotas as they are when some have left, and all have left and started who are to anyway. */
  #without<T>(candidates: readonly Candidate[], { gone, coming }: Soon, look: (quota: QuotaTree) => T): T {
    const { quota } = this.#given
    const leaving = [...candidates.map(({ held }) => held), ...gone]
    for (const { request, way } of leaving) quota.remove(request.want.project, way.amounts)
    for (const { request, way } of coming) quota.add(request.want.project, way.amounts)
    const seen = look(quota)
    for (const { request, way } of coming) quota.remove(request.want.project, way.amounts)
    for (const { request, way } of leaving) quota.add(request.want.project, way.amounts)
    return seen
  }
}

type Soon = { gone: readonly Held[]; coming: readonly Held[] }
type Case = { way: Way; project: string; now: number; soon: Soon }
