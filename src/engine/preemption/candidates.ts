import { createHeap } from '#kit/heap.ts'

import type { Held, Way } from '#engine/queue/request.ts'

/** Somebody who runs and may have to leave, and the work that would be lost. */
export type Candidate = { held: Held; loss: number }

/** What somebody loses who leaves: the time since its start, but no more than `mostMs`, and the time to start again. */
export type Loses = { mostMs: number; restartMs: number }

/**
 * Those of one project, priority and cell who lose alike for as long as they run: who came last has the least to lose, at
 * any time. So the order of a pile never changes, and all together are read in the order of their loss without a sort.
 */
export type Pile = Loses & {
  project: string
  priority: number
  cell: number
  /** The largest part of all there is of a resource that each of them holds. */
  part: number
  /** The oldest first, once it is sorted; also some that are there no more. */
  runs: Run[]
  isSorted: boolean
  gone: number
}

type Run = { held: Held; number: number; pile: Pile; isGone: boolean }

type Options = {
  cells: number
  rootOf: (project: string) => string
  /** The largest part of all there is of a resource that somebody holds. */
  partOf: (way: Way) => number
  /** What somebody loses; null for who cannot leave now. */
  losesOf: (held: Held) => Loses | null
}

/** Who runs and might have to leave, in piles, and who leaves already. */
export class Candidates {
  readonly leaving = new Set<Held>()
  readonly #given: Options
  readonly #piles = new Map<string, Pile>()
  readonly #inCell: readonly Set<Pile>[]
  readonly #underRoot = new Map<string, Set<Pile>>()
  readonly #ofProject = new Map<string, Set<Pile>>()
  readonly #runs = new Map<Held, Run>()
  /** The pile in which one of a way was last. */
  readonly #last = new WeakMap<Way, Pile>()
  #count = 0

  constructor(given: Options) {
    this.#given = given
    this.#inCell = Array.from({ length: given.cells }, () => new Set())
  }

  add(held: Held): void {
    if (held.leaves) {
      this.leaving.add(held)
      return
    }
    const loses = this.#given.losesOf(held)
    if (!loses) return
    const pile = this.#pileOf(held, loses)
    const run = { held, number: this.#count++, pile, isGone: false }
    pile.isSorted &&= (pile.runs.at(-1)?.held.since ?? -Infinity) <= held.since
    pile.runs.push(run)
    this.#runs.set(held, run)
  }

  /** It does not run any more, or was told to leave. */
  remove(held: Held): void {
    this.leaving.delete(held)
    const run = this.#runs.get(held)
    if (!run) return
    this.#runs.delete(held)
    const { pile } = run
    run.isGone = true
    pile.gone++
    if (pile.gone === pile.runs.length) this.#drop(pile)
    else if (2 * pile.gone > pile.runs.length) {
      pile.runs = pile.runs.filter(({ isGone }) => !isGone)
      pile.gone = 0
    }
  }

  leaves(held: Held): void {
    this.remove(held)
    held.leaves = true
    this.leaving.add(held)
  }

  inCell(cell: number): Iterable<Pile> {
    return this.#inCell[cell] ?? []
  }

  underRoot(root: string): Iterable<Pile> {
    return this.#underRoot.get(root) ?? []
  }

  ofProject(project: string): Iterable<Pile> {
    return this.#ofProject.get(project) ?? []
  }

  #pileOf({ request: { want }, way }: Held, { mostMs, restartMs }: Loses): Pile {
    const last = this.#last.get(way)
    if (last && last.runs.length > 0 && last.mostMs === mostMs && last.restartMs === restartMs) return last
    const { project, priority } = want
    const part = this.#given.partOf(way)
    const key = `${project} ${priority} ${way.cell} ${part} ${mostMs} ${restartMs}`
    const pile = this.#piles.get(key) ?? this.#open(key, { project, priority, cell: way.cell, part, mostMs, restartMs })
    this.#last.set(way, pile)
    return pile
  }

  #open(key: string, alike: Omit<Pile, 'runs' | 'isSorted' | 'gone'>): Pile {
    const pile = { ...alike, runs: [], isSorted: true, gone: 0 }
    const { project, cell } = alike
    this.#piles.set(key, pile)
    this.#inCell[cell]?.add(pile)
    into(this.#underRoot, this.#given.rootOf(project), pile)
    into(this.#ofProject, project, pile)
    return pile
  }

  /** Nobody is in it any more. */
  #drop(pile: Pile): void {
    const { project, priority, cell, part, mostMs, restartMs } = pile
    pile.runs = []
    pile.gone = 0
    this.#piles.delete(`${project} ${priority} ${cell} ${part} ${mostMs} ${restartMs}`)
    this.#inCell[cell]?.delete(pile)
    this.#underRoot.get(this.#given.rootOf(project))?.delete(pile)
    this.#ofProject.get(project)?.delete(pile)
  }
}

function into(of: Map<string, Set<Pile>>, name: string, pile: Pile): void {
  const same = of.get(name) ?? new Set()
  of.set(name, same.add(pile))
}

type Cursor = { pile: Pile; at: number; number: number; loss: number }

/** All of some piles, the least loss first; of equal ones who came last. Piles may not change while this is read. */
export function byLoss(piles: Iterable<Pile>, now: number): () => Candidate | null {
  const cursors = createHeap<Cursor>((a, b) => a.loss < b.loss || (a.loss === b.loss && a.number > b.number))
  const advance = (cursor: Cursor): void => {
    const { runs, mostMs, restartMs, part } = cursor.pile
    do cursor.at--
    while (runs[cursor.at]?.isGone)
    const run = runs[cursor.at]
    if (!run) return
    cursor.number = run.number
    cursor.loss = (Math.min(now - run.held.since, mostMs) + restartMs) * part
    cursors.push(cursor)
  }
  for (const pile of piles) {
    if (!pile.isSorted) pile.runs.sort((a, b) => a.held.since - b.held.since || a.number - b.number)
    pile.isSorted = true
    advance({ pile, at: pile.runs.length, number: 0, loss: 0 })
  }
  return () => {
    const cursor = cursors.pop()
    const held = cursor?.pile.runs[cursor.at]?.held
    if (!cursor || !held) return null
    const { loss } = cursor
    advance(cursor)
    return { held, loss }
  }
}
