import { nodesOf } from '#engine/cell/heads.ts'
import { domainAt } from '#engine/cell/tree.ts'

import type { Ask } from '#engine/cell/ask.ts'
import type { Cell } from '#engine/cell/cell.ts'
import type { Candidate } from './candidates.ts'

/** A domain that may hold what is asked for. */
export type Domain = {
  free: number
  freed: number
  /** What those lose who are needed, and how many they are; 0 as long as all that are known are not enough. */
  loss: number
  enough: number
  /** Those on its nodes that were read so far, the least loss first. */
  candidates: Candidate[]
}

type Options = {
  cell: Cell
  /** What is free of each node when all have gone who leave anyway, as a cell has it. */
  free: Int32Array
  /** 1 for each node that is kept for others: nothing becomes free there. */
  kept: Uint8Array
  ask: Ask
  /** So many domains are wanted. */
  most: number
  /** Those who may have to leave in this cell, the least loss first. */
  next: () => Candidate | null
}

/**
 * The domains that may hold what is asked for, by what is lost when so many leave there that there is enough of its scarcest
 * resource. Candidates are read in their order, and no further than is needed.
 */
export class Domains {
  readonly #given: Options
  readonly #level: number
  readonly #resource: number
  readonly #needed: number
  readonly #all = new Map<number, Domain>()
  /** Those with the least loss in which enough leave, so many as are asked for. */
  readonly #best: Domain[] = []

  constructor(given: Options) {
    const { resource, needed } = scarcest(given.ask)
    this.#given = given
    this.#level = given.ask.ranks === 1 ? 0 : given.ask.loosest
    this.#resource = resource
    this.#needed = needed
  }

  /** Those with the least loss, that one first. Who comes later loses more, so that no other can have less. */
  best(): Domain[] {
    const isOver = ({ loss }: Candidate): boolean => loss >= (this.#best[this.#given.most - 1]?.loss ?? Infinity)
    for (let last = this.#read(); last && !isOver(last); last = this.#read());
    return [...this.#best]
  }

  /** One of those on the nodes of a domain, counted in the order of their loss. */
  candidate({ candidates }: Domain, number: number): Candidate | null {
    while (candidates.length <= number && this.#read());
    return candidates[number] ?? null
  }

  #read(): Candidate | null {
    const { cell, next } = this.#given
    const candidate = next()
    if (!candidate) return null
    const { way, gang } = candidate.held
    const { ranks, spares } = nodesOf(cell, gang)
    const { roles } = way.ask
    let [role, left] = [0, roles[0]?.ranks ?? 0]
    for (const nodes of [ranks, spares])
      for (const node of nodes) {
        while (left === 0 && role + 1 < roles.length) left = roles[++role]?.ranks ?? 0
        left--
        this.#frees(node, roles[nodes === ranks ? role : 0]?.size ?? 0, candidate)
      }
    return candidate
  }

  #frees(node: number, size: number, candidate: Candidate): void {
    const { kept, cell } = this.#given
    const { sizes, capacity, classOf } = cell
    if (kept[node] === 1) return
    const domain = this.#domainOf(node)
    const wasEnough = domain.free + domain.freed >= this.#needed
    if (domain.candidates.at(-1) !== candidate) {
      domain.candidates.push(candidate)
      if (!wasEnough) domain.loss += candidate.loss
    }
    // Who shares an accelerator counts as if it had all of it.
    const isWhole = sizes.whole[size] === 1 || sizes.share[size] !== 0
    domain.freed += isWhole
      ? (capacity[4 * (classOf[node] ?? 0) + this.#resource] ?? 0)
      : (sizes.amounts[4 * size + this.#resource] ?? 0)
    if (domain.enough > 0 || domain.free + domain.freed < this.#needed) return
    domain.enough = domain.candidates.length
    this.#rank(domain)
  }

  /** What is lost in it does not change any more. */
  #rank(domain: Domain): void {
    const best = this.#best
    let at = best.length
    while (at > 0 && (best[at - 1]?.loss ?? 0) > domain.loss) at--
    best.splice(at, 0, domain)
    if (best.length > this.#given.most) best.pop()
  }

  #domainOf(node: number): Domain {
    const { cell, free, kept } = this.#given
    const at = domainAt(cell.tree, node, this.#level)
    const known = this.#all.get(at)
    if (known) return known
    const domain: Domain = { free: 0, freed: 0, loss: 0, enough: 0, candidates: [] }
    const starts = cell.tree.nodes[this.#level]
    for (let one = starts?.[at] ?? 0; one < (starts?.[at + 1] ?? 0); one++)
      if (cell.usable[one] === 1 && kept[one] === 0) domain.free += Math.max(0, free[4 * one + this.#resource] ?? 0)
    this.#all.set(at, domain)
    return domain
  }
}

/** The first resource that all roles take some of, and how much at least; a whole node is at least as large as the smallest. */
function scarcest({ cell, roles }: Ask): { resource: number; needed: number } {
  const { sizes, capacity, classes } = cell
  const least = (size: number, resource: number): number => {
    if (sizes.whole[size] !== 1) return sizes.amounts[4 * size + resource] ?? 0
    const allowed = classes.flatMap((_, one) =>
      sizes.allowed[size]?.[one] === 1 ? [capacity[4 * one + resource] ?? 0] : [],
    )
    return allowed.length > 0 ? Math.min(...allowed) : 0
  }
  const resource = [0, 1, 2, 3].find((one) => roles.every(({ size }) => least(size, one) > 0)) ?? 0
  return { resource, needed: roles.reduce((sum, { size, ranks }) => sum + ranks * least(size, resource), 0) }
}
