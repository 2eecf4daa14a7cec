import type { Cell } from '#engine/cell/cell.ts'
import { planToDeadline } from '#engine/placement/deadline.ts'
import { lookAt, type Look } from '#engine/placement/look.ts'
import { openRound, type Round } from '#engine/placement/round.ts'
import { hasRoom } from '#engine/placement/rules.ts'
import type { SpotRun } from '#model/spot.ts'
import type { Floor } from '#simulator/replay/floor.ts'
import type { JobRecord } from '#simulator/replay/job-record.ts'
import { dueNeed } from '#simulator/rules/deadline.ts'
import type { Way } from '#simulator/rules/house-rules.ts'
import type { NodeGroup } from '#simulator/scenario/fleet.ts'

/** A way as it is now, by the nodes as they are taken. */
type Open = { way: Way; look: Look }
/** `had` are the ways to spot capacity in which there was room when it was planned last. */
type Due = { record: JobRecord; open: readonly Open[]; had: ReadonlySet<Open>; again: number }

/** Who waits is asked anew no sooner than that after others came or went: no tick of a plan is shorter. */
const minuteMs = 60_000
/** What is seen of markets counts from then on. */
const seenMs = 5 * minuteMs
/** A control plane reads as many. */
const mostRuns = 2_000

const nobody: readonly string[] = []
const isSpot = ({ group }: Way): boolean => group.tier === 'spot'

/**
 * Places jobs with a deadline by the plan of the engine (`engine/placement/deadline.ts`): on spot capacity, on what nobody
 * takes away, or not yet. As in a control plane it knows of a market what was held there, what was lost, and what was not had.
 */
export class DeadlinePlans {
  /** Whether there may be anything to plan: capacity that is taken away, and such as is not. */
  readonly isNeeded: boolean
  readonly #floor: Floor
  readonly #cells: readonly Cell[]
  readonly #markets: readonly NodeGroup[]
  readonly #waiting = new Map<string, Due>()
  readonly #held = new Map<string, { run: SpotRun; losses: number }>()
  #runs: SpotRun[] = []
  #round: Round | null = null
  /** Whether spot capacity came or went since everybody was asked. */
  #hasChanged = false
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(floor: Floor, cells: readonly Cell[]) {
    this.#floor = floor
    this.#cells = cells
    this.#markets = floor.fleet.groups.filter(({ tier }) => tier === 'spot')
    this.isNeeded = this.#markets.length > 0 && this.#markets.length < floor.fleet.groups.length
  }

  /** Whether a job is planned for, which may go these ways. */
  plans({ job }: JobRecord, ways: readonly Way[]): boolean {
    return job.deadlineMs !== null && ways.some(isSpot) && !ways.every(isSpot)
  }

  waits(id: string, record: JobRecord, ways: readonly Way[]): void {
    const open = ways.map((way) => this.#onFloor(way))
    this.#waiting.set(id, { record, open, had: new Set(), again: Number.POSITIVE_INFINITY })
  }

  #onFloor(way: Way): Open {
    const { candidate } = way.look
    const { number, names, numberOf, unitsPerNode, taken } = candidate.ground
    const cell = this.#cells[way.group.number]
    if (!cell) throw new RangeError(`group ${way.group.number} has no cell`)
    return {
      way,
      look: lookAt(way.need, { ...candidate, ground: { number, names, numberOf, unitsPerNode, taken, cell } }),
    }
  }

  /** Which of its ways somebody goes now, best first, by their numbers; null for who is not planned. */
  choose(id: string, now: number): number[] | null {
    const due = this.#waiting.get(id)
    if (!due) return null
    const { open } = due
    // What is paid for anyway goes first. Where nothing else lasts, it is what there is to plan on.
    const isPaid = ({ way }: Open): boolean => !isSpot(way) && this.#floor.marginalMicros(way.group.number) === 0
    const bought = open.filter((one) => !isPaid(one))
    const planned = this.#planned(due, bought.every(({ way }) => isSpot(way)) ? open : bought, now)
    return [...new Set([...open.filter(isPaid), ...planned])].map((one) => open.indexOf(one))
  }

  #planned(due: Due, open: readonly Open[], now: number): Open[] {
    const round = this.#roundAt(now)
    const wayOf = new Map(open.map((one) => [one.look, one]))
    const looks = [...wayOf.keys()]
    const [first] = open
    if (!first) return []
    const need = dueNeed(first.way.need, due.record, now)
    const tries = [{ workload: need.workload.id, ranMs: 0, startMs: due.record.restartMs }]
    const isRoom = (look: Look): boolean => this.#hasRoom(wayOf.get(look), round)
    due.had = new Set(this.#roomy(due, round))
    const given = { ...round, now, spot: { runs: this.#runs, tries } }
    const plan = planToDeadline(need, { looks, objections: new Map(), isRoom }, given)
    const chosen = plan ? plan.choose(looks) : looks
    due.again = plan?.choice()?.again ?? Number.POSITIVE_INFINITY
    return chosen.flatMap((look) => wayOf.get(look) ?? [])
  }

  #hasRoom(open: Open | undefined, round: Round): boolean {
    return open !== undefined && hasRoom(open.way.need, open.look, round)
  }

  #roomy({ open }: Due, round: Round): Open[] {
    return open.filter((one) => isSpot(one.way) && this.#hasRoom(one, round))
  }

  /** Of what was seen by then; what was planned for one serves all who are alike. */
  #roundAt(now: number): Round {
    if (this.#round && now - this.#round.now < seenMs) return this.#round
    for (const { first, count, number, site, shape } of this.#markets) {
      const isGone = this.#floor.refuses(number) || !someOf(first, count, (node) => this.#floor.usable(node))
      if (isGone) this.#runs.push({ site, shape, from: now, until: now, taken: true })
    }
    if (this.#runs.length > mostRuns) this.#runs = this.#runs.slice(-mostRuns)
    const given = { waiting: [], leases: [], projects: [], spent: new Map(), sites: [] }
    return (this.#round = openRound({ ...given, spot: { runs: this.#runs, tries: [] } }, now))
  }

  started(id: string, record: JobRecord, now: number): void {
    if (!this.isNeeded) return
    this.#waiting.delete(id)
    const { tier, site, shape } = this.#floor.groupOf(record.spots[0] ?? 0)
    if (tier !== 'spot') return
    const run: SpotRun = { site, shape, from: now, until: null, taken: false }
    this.#runs.push(run)
    this.#held.set(id, { run, losses: record.losses })
    this.#hasChanged = true
  }

  /** It waits no more, or runs no more. */
  left(id: string, record: JobRecord, now: number): void {
    if (!this.isNeeded) return
    this.#waiting.delete(id)
    const held = this.#held.get(id)
    if (!held) return
    this.#held.delete(id)
    held.run.until = now
    held.run.taken = record.losses > held.losses
    this.#hasChanged = true
  }

  /** Nodes went out of use, or came back. */
  changed(): void {
    this.#hasChanged = true
  }

  /** Those whose plans may say something else by now; each is told once. */
  reopened(now: number): readonly string[] {
    if (this.#waiting.size === 0) return nobody
    const all = this.#hasChanged && now - this.#askedAt >= minuteMs
    if (all) [this.#hasChanged, this.#askedAt] = [false, now]
    const ids: string[] = []
    for (const [id, due] of this.#waiting) {
      const hasMore = (): boolean => this.#roomy(due, this.#roundAt(now)).some((one) => !due.had.has(one))
      if (due.again > now && !(all && hasMore())) continue
      due.again = Number.POSITIVE_INFINITY
      ids.push(id)
    }
    return ids
  }

  /** When somebody is to be asked anew, even if nothing happens until then. */
  again(now: number): number {
    if (this.#waiting.size === 0) return Number.POSITIVE_INFINITY
    let at = this.#hasChanged ? Math.max(now + 1, this.#askedAt + minuteMs) : Number.POSITIVE_INFINITY
    for (const { again } of this.#waiting.values()) at = Math.min(at, Math.max(again, now + 1))
    return at
  }
}

function someOf(first: number, count: number, is: (node: number) => boolean): boolean {
  for (let node = first; node < first + count; node++) if (is(node)) return true
  return false
}
