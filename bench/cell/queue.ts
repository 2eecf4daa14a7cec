import { createAudit, type Audit } from '#engine/cell/audit.ts'
import { createCell } from '#engine/cell/cell.ts'
import { Line } from '#engine/queue/line.ts'
import { createShares } from '#engine/queue/share.ts'
import { createHeap } from '#kit/heap.ts'
import { createRandom } from '#kit/random.ts'

import type { GangRequest } from '#engine/cell/ask.ts'
import type { CellPlan } from '#engine/cell/cell.ts'
import type { Want } from '#engine/queue/request.ts'

import { cpuSeconds, rssMB } from './clock.ts'

import type { Mix } from './gpus.ts'

type Kind = { want: Want; request: GangRequest; weight: number }
type Live = { request: GangRequest; lastsMs: number; gang: number; ranks: number }
type Load = { plan: CellPlan; mix: Mix; projects: number; waiting: number; checker: boolean }

/**
 * A queue in which so many always wait, of several projects by fair share: the first of them have promises, others go
 * past where they do not delay these, and each refusal has its reason. Whoever runs ends after 1 to 10 hours, as it said.
 */
class Busy {
  started = 0
  refused = 0
  used = 0
  #now = 0
  #order = 0
  #waiting = 0
  readonly #line: Line
  readonly #audit: Audit | null
  readonly #random = createRandom('queue')
  readonly #kinds: readonly (Kind | undefined)[]
  readonly #live = new Map<string, Live>()
  readonly #ends = createHeap<{ at: number; order: number }>(
    (a, b) => a.at < b.at || (a.at === b.at && a.order < b.order),
  )

  constructor({ plan, mix, projects, checker }: Load) {
    const names = Array.from({ length: projects }, (_, i) => `p${i}`)
    this.#audit = checker ? createAudit(plan) : null
    this.#line = new Line({
      cells: [createCell(plan)],
      quotas: names.map((name) => ({ name, parent: null, nominal: {}, borrowing: {}, lending: {} })),
      shares: createShares({
        nodes: names.map((name) => ({ name, parent: null, weight: 1 })),
        capacity: { nodes: plan.classOf.length },
        halfLifeMs: 86_400_000,
      }),
      overdueMs: 7 * 86_400_000,
    })
    const asked = mix.asked.map(({ request, weight }) => ({ request, weight: weight * nodesFor(plan, request) }))
    const kinds = names.flatMap((project) =>
      asked.map((each, kind) => ({ ...each, want: wantOf(project, kind, each.request) })),
    )
    const total = kinds.reduce((sum, { weight }) => sum + weight, 0)
    this.#kinds = Array.from({ length: 65_536 }, () => {
      let at = this.#random.next() * total
      return kinds.find(({ weight }) => (at -= weight) < 0) ?? kinds[0]
    })
  }

  submitUntil(waiting: number): void {
    while (this.#waiting < waiting) this.#submit()
  }

  #submit(): void {
    const order = this.#order++
    const kind = this.#kinds[order & 65_535]
    if (!kind) return
    const { want, request } = kind
    const lastsMs = 3_600_000 * (1 + this.#random.below(10))
    this.#live.set(String(order), { request, lastsMs, gang: -1, ranks: 0 })
    this.#line.submit({ id: String(order), want, since: this.#now, lastsMs })
    this.#waiting++
  }

  turn(): void {
    for (const decision of this.#line.turn(this.#now)) {
      const one = this.#live.get(decision.id)
      if (!('gang' in decision) || !one) {
        this.refused++
        continue
      }
      must(this.#audit?.taken(decision.gang, one.request, decision))
      Object.assign(one, { gang: decision.gang, ranks: decision.ranks.length })
      this.used += one.ranks
      this.#ends.push({ at: this.#now + one.lastsMs, order: Number(decision.id) })
      this.started++
      this.#waiting--
    }
  }

  /** The next one ends. */
  end(): void {
    const first = this.#ends.pop()
    const one = first && this.#live.get(String(first.order))
    if (!one) return
    this.#now = first.at
    this.#line.ended(String(first.order), this.#now)
    must(this.#audit?.released(one.gang))
    this.used -= one.ranks
    this.#live.delete(String(first.order))
  }
}

/** Fills until somebody is refused, then lets one end at a time and asks whoever waits, `ends` times. */
export function churnInLine(load: Load & { ends: number }) {
  const { plan, mix, waiting, checker, ends } = load
  const busy = new Busy(load)
  for (let count = 1; busy.refused === 0; count++) {
    busy.submitUntil(1)
    busy.turn()
    if (count > plan.classOf.length) break
  }
  const times = new Float64Array(ends)
  let [begun, started, usedSum] = [cpuSeconds(), busy.started, 0]
  for (let i = -Math.ceil(ends / 4); i < ends; i++) {
    if (i === 0) [begun, started, busy.refused, usedSum] = [cpuSeconds(), busy.started, 0, 0] // the rest was to settle
    const start = cpuSeconds() // a turn is long enough to be measured so, and others do not count
    busy.end()
    busy.submitUntil(waiting)
    busy.turn()
    times[Math.max(0, i)] = cpuSeconds() - start
    usedSum += busy.used
  }
  const seconds = cpuSeconds() - begun
  times.sort()
  const percentile = (share: number) => ((times[Math.floor(ends * share)] ?? 0) * 1e6).toFixed(0)
  return {
    gangs: mix.name,
    checker,
    nodes: plan.classOf.length,
    waiting,
    'starts/s': Math.round((busy.started - started) / seconds),
    'asked/s': Math.round((busy.started - started + busy.refused) / seconds),
    'turn p50 us': percentile(0.5),
    'p99 us': percentile(0.99),
    'max us': percentile(0.999999),
    'used %': ((usedSum / ends / plan.classOf.length) * 100).toFixed(1),
    'rss MB': rssMB(),
  }
}

/** Nodes that a gang may be on: shapes are asked for as there are nodes of them. */
function nodesFor({ classes, classOf }: CellPlan, { roles }: GangRequest): number {
  const allows = roles[0]?.size.allows ?? (() => true)
  const may = classes.map(allows)
  return Array.from(classOf).filter((nodeClass) => may[nodeClass]).length
}

function wantOf(project: string, kind: number, gang: GangRequest): Want {
  const nodes = gang.roles.reduce((sum, { ranks }) => sum + ranks, 0)
  return { key: `${project} ${kind}`, project, priority: 0, options: [{ cell: 0, gang, amounts: { nodes } }] }
}

function must(wrong: string | null | undefined): void {
  if (wrong) throw new Error(wrong)
}
