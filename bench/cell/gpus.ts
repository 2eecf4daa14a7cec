import { askOf } from '#engine/cell/ask.ts'
import { createAudit } from '#engine/cell/audit.ts'
import { createCell } from '#engine/cell/cell.ts'
import { fitting, largestEmpty, largestFree, levelOf, nodesOf } from '#engine/cell/heads.ts'
import { release, take } from '#engine/cell/take.ts'
import { createRandom } from '#kit/random.ts'

import type { Ask, GangRequest } from '#engine/cell/ask.ts'
import type { Audit } from '#engine/cell/audit.ts'
import type { Cell, CellPlan, NodeClass } from '#engine/cell/cell.ts'

import { cpuSeconds, rssMB } from './clock.ts'

/** Half of the GPUs in nodes of 8 (4 in a rack, 64 racks in a block), half in trays of 4 (18 in a rack, 16 racks). */
export function gpuPlan(gpus: number): CellPlan {
  const racks = Math.max(1, Math.floor(gpus / 2 / 72))
  const [trays, nodes] = [racks * 18, Math.max(4, Math.floor((gpus - racks * 72) / 8))]
  const shared = { cpuMilli: 192_000, memoryMiB: 2_000_000, diskMiB: 30_000_000 }
  const classes: NodeClass[] = [
    { shape: 'tray', accelerator: 'GB300', accelerators: 4, ...shared },
    { shape: 'node', accelerator: 'H200', accelerators: 8, ...shared },
  ]
  const [nvl, hgx] = [Array.from({ length: trays }, (_, i) => i), Array.from({ length: nodes }, (_, i) => i)]
  const rackOf = [...nvl.map((i) => Math.floor(i / 18)), ...hgx.map((i) => racks + Math.floor(i / 4))]
  const blockOf = [...nvl.map((i) => Math.floor(i / 288)), ...hgx.map((i) => 1_000_000 + Math.floor(i / 256))]
  return { classes, classOf: [...nvl.map(() => 0), ...hgx.map(() => 1)], domains: [rackOf, blockOf] }
}

const ofShape = (shape: string) => (nodeClass: NodeClass) => nodeClass.shape === shape
const powers = Array.from({ length: 10 }, (_, i) => 2 ** i)

/** Requests by how often each comes. */
export type Mix = { name: string; asked: { request: GangRequest; weight: number }[] }

const sliced = (ranks: number): Partial<GangRequest> => ({
  ...(ranks <= 64 && { within: { level: 2 } }),
  ...(ranks >= 8 && { slices: { level: 1, ranks: 4 } }),
})

/** Gangs of 1, 2, 4 … whole nodes up to a size, of both shapes. */
export function mixes(most = 512): Mix[] {
  const each = (weigh: (ranks: number) => number, more: (ranks: number) => Partial<GangRequest> = () => ({})) =>
    powers
      .filter((ranks) => ranks <= most)
      .flatMap((ranks) =>
        ['tray', 'node'].map((shape) => ({
          request: { roles: [{ size: { whole: true, allows: ofShape(shape) }, ranks }], ...more(ranks) },
          weight: weigh(ranks),
        })),
      )
  return [
    { name: `1 to ${most} nodes, small ones more often (1/size)`, asked: each((ranks) => 1 / ranks) },
    { name: `1 to ${most} nodes, each size as often`, asked: each(() => 1) },
    {
      name: 'same 1/size, up to 64 inside one block, from 8 up in slices of 4 in one rack',
      asked: each((ranks) => 1 / ranks, sliced),
    },
  ]
}

/** What is done beside each decision: its reasons are worked out, its checker runs. */
export type Beside = { reasons?: boolean; checker?: boolean }

type Churn = Beside & { decisions: number; target: number; seed: string }
type Asked = { ask: Ask; request: GangRequest }

/** One who takes and gives back at random in a cell, and counts what came of it. */
class Churner {
  readonly live: number[] = []
  used = 0
  refused = 0
  reason = ''
  readonly #cell: Cell
  readonly #audit: Audit | null
  readonly #reasons: boolean

  constructor(cell: Cell, { plan, reasons = false, checker = false }: Beside & { plan: CellPlan }) {
    this.#cell = cell
    this.#reasons = reasons
    this.#audit = checker ? createAudit(plan) : null
  }

  take({ ask, request }: Asked): void {
    const gang = take(this.#cell, ask)
    if (this.#reasons) this.reason = reasonOf(ask, gang)
    if (gang < 0) {
      this.refused++
      return
    }
    must(this.#audit?.taken(gang, request, nodesOf(this.#cell, gang)))
    this.used += ask.ranks
    this.live.push(gang)
  }

  /** Gives back whoever stands at a place of those that live. */
  release(pick: number): void {
    const gang = this.live[pick] ?? 0
    this.live[pick] = this.live.at(-1) ?? 0
    this.live.pop()
    const { at, pool, size } = this.#cell.gangs
    this.used -= size[gang] === -1 ? (pool[(at[gang] ?? 0) + 2] ?? 0) : 1
    must(this.#audit?.released(gang))
    release(this.#cell, gang)
  }
}

function must(wrong: string | null | undefined): void {
  if (wrong) throw new Error(wrong)
}

/** For whoever was refused: what the best domain has and what it would have, and who else could; for others, the choice. */
function reasonOf(ask: Ask, gang: number): string {
  const { cell, units, loosest } = ask
  if (gang >= 0) {
    const level = levelOf(cell, gang)
    return `placed in a domain of level ${level}; ${fitting(ask, level, units)} others of that level have room for it`
  }
  const free = largestFree(ask, loosest)
  return `wants ${units} in one domain of level ${loosest}: the best has ${free} of ${largestEmpty(ask, loosest)} free, ${units - free} too few`
}

/** Fills to the target (share of nodes, in thousandths), then takes gangs at random and gives back others at random. */
export function churn(plan: CellPlan, { asked }: Mix, { decisions, target, seed, ...beside }: Churn) {
  const cell = createCell(plan)
  const ready = asked.map(({ request }) => ({ ask: askOf(cell, request), request }))
  const random = createRandom(seed)
  const total = asked.reduce((sum, { weight }) => sum + weight, 0)
  const draw = (): number => {
    let at = random.next() * total
    const found = asked.findIndex(({ weight }) => (at -= weight) < 0)
    return Math.max(0, found)
  }
  const drawn = Uint8Array.from({ length: 65_536 }, draw)
  const nodes = plan.classOf.length
  const churner = new Churner(cell, { plan, ...beside })
  let next = 0
  const one = (): void => {
    const each = ready[drawn[next++ & 65_535] ?? 0]
    if (each) churner.take(each)
  }
  while (churner.used * 1000 < nodes * target && churner.refused < 1000) one()
  const times = new Float64Array(decisions)
  let [usedSum, start] = [0, 0]
  for (let i = -decisions / 10; i < decisions; i++) {
    if (i === 0) [churner.refused, start] = [0, cpuSeconds()] // all before was to warm up
    const begun = performance.now()
    while (churner.used * 1000 > nodes * target) churner.release(random.below(churner.live.length))
    one()
    times[Math.max(0, i)] = performance.now() - begun
    if (i >= 0) usedSum += churner.used
  }
  const seconds = cpuSeconds() - start
  times.sort()
  const percentile = (share: number) => ((times[Math.floor(decisions * share)] ?? 0) * 1000).toFixed(1)
  return {
    'decisions/s': Math.round(decisions / seconds),
    'p50 us': percentile(0.5),
    'p99 us': percentile(0.99),
    'p99.9 us': percentile(0.999),
    'max us': percentile(0.999999),
    'refused %': ((churner.refused / decisions) * 100).toFixed(1),
    'used %': ((usedSum / decisions / nodes) * 100).toFixed(1),
    'rss MB': rssMB(),
  }
}

/** The same mix on ever larger sites. */
export function growth(sizes: number[], decisions: number): object[] {
  return sizes.map((gpus) => {
    const plan = gpuPlan(gpus)
    const most = 2 ** Math.floor(Math.log2(Math.max(1, Math.min(512, gpus / 64))))
    const [mix] = mixes(most)
    if (!mix) return {}
    const { 'max us': _, ...row } = churn(plan, mix, { decisions, target: 950, seed: 'growth' })
    return { gpus, nodes: plan.classOf.length, 'largest gang': most, ...row }
  })
}
