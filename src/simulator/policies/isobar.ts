import type { GangRequest } from '#engine/cell/ask.ts'
import { createCell, type Cell } from '#engine/cell/cell.ts'
import { setUsable } from '#engine/cell/nodes.ts'
import type { RankSize } from '#engine/cell/sizes.ts'
import { overdueMs, patienceMs } from '#engine/placement/place.ts'
import { Line } from '#engine/queue/line.ts'
import type { LineOptions } from '#engine/queue/line-options.ts'
import type { Decision, Option, Request, Want } from '#engine/queue/request.ts'
import { createShares } from '#engine/queue/share.ts'
import type { Project } from '#model/project.ts'
import type { Demand, Floor, Spots } from '#simulator/replay/floor.ts'
import { remainingMs, type JobRecord } from '#simulator/replay/job-record.ts'
import type { Act, MakeScheduler, Scheduler } from '#simulator/replay/scheduler.ts'
import { cellPlanOf } from '#simulator/rules/candidate.ts'
import { HouseRules, type Way } from '#simulator/rules/house-rules.ts'
import { partsOf } from '#simulator/rules/need.ts'
import type { NodeGroup } from '#simulator/scenario/fleet.ts'
import { plainProject } from '#simulator/scenario/projects.ts'
import type { Part } from '#simulator/traces/job.ts'

import { DeadlinePlans } from './deadline-plans.ts'
import { LineHistory } from './line-history.ts'
import { ProviderShares } from './provider-shares.ts'
import { mayStop, quotaNodes, shareNodes } from './terms.ts'

const day = 86_400_000

/**
 * As the control plane decides, with the very queue of its engine, which here lives on instead of being built for each
 * round: a cell for each group of nodes, the cheapest first; projects with their quotas, weights and preemption; use counts
 * half after a day. It knows how long jobs run.
 */
export const isobarScheduler: MakeScheduler = (floor, projects, terms) =>
  new IsobarScheduler(floor, projects.length, terms)

class IsobarScheduler implements Scheduler {
  readonly name = 'isobar'
  readonly keepsTerms = true
  readonly givesParts = true
  readonly #floor: Floor
  readonly #projects: number
  readonly #terms: ReadonlyMap<string, Project>
  readonly #rules: HouseRules
  readonly #providerShares: ProviderShares
  readonly #deadlines: DeadlinePlans
  readonly #cells: Cell[]
  readonly #line: Line
  /** All who wait or run, and when each of them began to wait last. */
  readonly #here = new Map<string, { record: JobRecord; cameAt: number }>()
  /** By demand, then by what else makes a row. */
  readonly #wants = new Map<Demand, Map<number, Want>>()
  /** By demand, then by project. */
  readonly #choices = new Map<Demand, Map<number, Choice>>()
  readonly #refused: boolean[]
  readonly #history: LineHistory
  #toggled = 0
  #repriced = 0

  constructor(floor: Floor, projects: number, terms: readonly Project[]) {
    const { groups } = floor.fleet
    const total = (unit: string) => groups.reduce((sum, one) => sum + (one.unit === unit ? one.size * one.count : 0), 0)
    this.#floor = floor
    this.#projects = projects
    this.#terms = new Map(terms.map((project) => [project.name, project]))
    this.#rules = new HouseRules(floor.fleet, terms)
    this.#providerShares = new ProviderShares(this.#rules, terms)
    this.#refused = groups.map(() => false)
    const [plans, quotas] = [groups.map(cellPlanOf), quotaNodes(terms)]
    const preemption = new Map(terms.map((project) => [project.name, project.preemption]))
    this.#cells = plans.map(createCell)
    this.#deadlines = new DeadlinePlans(floor, this.#cells)
    this.#history = new LineHistory({ plans, quotas, overdueMs, terms: preemption })
    this.#line = new Line({
      cells: this.#cells,
      quotas,
      shares: createShares({
        nodes: shareNodes(terms),
        capacity: { gpu: 1000 * total('gpu'), cpu: total('cpu') },
        halfLifeMs: day,
      }),
      overdueMs,
      patienceMs,
      saysRoom: false,
      ...this.#choosing(),
      // Nobody is looked for where nobody may be stopped.
      preemption: terms.some(mayStop) ? preemption : undefined,
      // Who is stopped is told before, and saves its work.
      losesOf: ({ id }) => ({ mostMs: 0, restartMs: this.#here.get(id)?.record.restartMs ?? 0 }),
    })
    // Where a share keeps somebody from what it was promised, nobody can promise anything.
    if (this.#providerShares.areKept) this.#history.close()
  }

  /** Who may not go all ways at any time, in their order: where shares of providers are kept, and deadlines are planned. */
  #choosing(): Pick<LineOptions, 'choose' | 'decided'> {
    const [shares, deadlines] = [this.#providerShares, this.#deadlines]
    return {
      ...((shares.areKept || deadlines.isNeeded) && {
        choose: ({ id, want }, now) => shares.within(id, deadlines.choose(id, now) ?? [...want.options.keys()]),
      }),
      ...(shares.areKept && { decided: (decision) => shares.decided(decision) }),
    }
  }

  waits(record: JobRecord, now: number): void {
    this.#here.set(idOf(record), { record, cameAt: now })
    const request = this.#requestOf(record, { now, cameAt: now })
    this.#history.note({ at: now, submitted: request })
    this.#line.submit(request)
  }

  #requestOf(record: JobRecord, { now, cameAt }: { now: number; cameAt: number }): Request {
    const lastsMs = remainingMs(record, now) + (record.starts > 0 ? record.restartMs : 0)
    const id = idOf(record)
    const { project, arrivalMs: since } = record.job
    if (this.#providerShares.areKept) this.#providerShares.waits(id, { project, ways: this.#choiceOf(record).ways })
    if (this.#isPlanned(record)) {
      this.#deadlines.waits(id, record, this.#choiceOf(record).ways)
      this.#history.close() // its plan may change before it starts where that was promised
    }
    return { id, want: this.#wantOf(record, lastsMs), since, waitsSince: cameAt, lastsMs }
  }

  left(record: JobRecord, now: number): void {
    const id = idOf(record)
    this.#history.note({ at: now, ended: id })
    this.#line.ended(id, now)
    this.#forget(id, record, now)
  }

  refused(record: JobRecord, now: number): void {
    const id = idOf(record)
    this.#history.close() // what was promised to it nobody needs to keep
    this.#line.withdraw(id)
    this.#forget(id, record, now)
  }

  #forget(id: string, record: JobRecord, now: number): void {
    this.#providerShares.left(id)
    this.#deadlines.left(id, record, now)
    this.#here.delete(id)
  }

  ends(): void {
    this.#history.close()
  }

  decide(now: number, act: Act): number | undefined {
    this.#follow()
    if (this.#repriced !== this.#floor.repriced) this.#reorder(now)
    for (let goesOn = true; goesOn;) {
      this.#reconsider(now)
      const decisions = this.#line.turn(now)
      for (const decision of decisions) this.#carryOut(decision, now, act)
      if (this.#history.isOpen)
        for (const { request, at, victims } of this.#line.reservations())
          if (!victims) this.#history.note({ at: now, promised: request.id, by: at })
      // Who was stopped has left at once: the one for whom it did starts in a turn of this moment.
      const someLeft = decisions.some((decision) => 'refused' in decision && decision.refused.cause === 'preempts')
      goesOn = this.#reconsider(now) || someLeft
    }
    const again = Math.min(this.#line.looksAgainAt(), this.#deadlines.again(now))
    return again < Infinity ? again : undefined
  }

  /** Whoever may go other ways than before is asked again; whether there is anybody. */
  #reconsider(now: number): boolean {
    const [shared, planned] = [this.#providerShares.reopened(), this.#deadlines.reopened(now)]
    for (const id of shared) this.#line.reconsider(id)
    for (const id of planned) this.#line.reconsider(id)
    return shared.length + planned.length > 0
  }

  /** Other groups are the cheapest now, or too dear: all who wait ask anew. */
  #reorder(now: number): void {
    this.#repriced = this.#floor.repriced
    this.#history.close()
    this.#wants.clear()
    this.#choices.clear()
    const waiting = [...this.#here.values()].filter(({ record }) => record.state === 'waiting')
    for (const { record } of waiting) this.#line.withdraw(idOf(record))
    for (const { record, cameAt } of waiting) this.#line.submit(this.#requestOf(record, { now, cameAt }))
  }

  #carryOut(decision: Decision, now: number, act: Act): void {
    const record = this.#here.get(decision.id)?.record
    if (!record) return
    if (!('refused' in decision)) {
      const { id, option, ranks, devices } = decision
      this.#history.note({ at: now, started: id, option, ranks })
      const group = this.#floor.fleet.groups[decision.cell]
      if (group) act.start(record, spotsOf(ranks, record, group), record.demand.part && devices?.[0])
      this.#deadlines.started(id, record, now)
    } else if (decision.refused.cause === 'preempts') {
      const { victims, option } = decision.refused
      this.#history.note({ at: now, preempts: decision.id, option, victims })
      for (const victim of victims.flatMap((id) => this.#here.get(id)?.record ?? [])) {
        act.preempt(victim)
        this.left(victim, now)
        if (victim.state === 'waiting') this.waits(victim, now)
      }
    }
  }

  /** Tells the cells which nodes went out of use or came back, and which groups start nothing now. */
  #follow(): void {
    const { fleet, toggled } = this.#floor
    if (this.#toggled === toggled.length && fleet.groups.every(({ number }) => this.#isAsKnown(number))) return
    const changed = new Set<number>()
    const set = ({ number, first }: NodeGroup, node: number): void => {
      const cell = this.#cells[number]
      const usable = this.#floor.usable(node) && !this.#refused[number]
      if (cell) setUsable(cell, { first: node - first, end: node - first + 1, usable })
      changed.add(number)
    }
    for (; this.#toggled < toggled.length; this.#toggled++) {
      const node = toggled[this.#toggled] ?? 0
      set(this.#floor.groupOf(node), node)
    }
    for (const group of fleet.groups) {
      if (this.#isAsKnown(group.number)) continue
      this.#refused[group.number] = this.#floor.refuses(group.number)
      for (let i = 0; i < group.count; i++) set(group, group.first + i)
    }
    if (changed.size > 0) this.#history.close()
    if (changed.size > 0) this.#deadlines.changed()
    for (const cell of changed) this.#line.changed(cell)
  }

  #isAsKnown(group: number): boolean {
    return this.#floor.refuses(group) === this.#refused[group]
  }

  #isPlanned(record: JobRecord): boolean {
    return record.job.deadlineMs !== null && this.#deadlines.plans(record, this.#choiceOf(record).ways)
  }

  /** Jobs that last about as long stand in one row, so that a long one does not keep short ones from passing. */
  #wantOf(record: JobRecord, lastsMs: number): Want {
    const { demand, job, project } = record
    const lasts = 32 - Math.clz32(lastsMs / 1000)
    // Each is planned for itself.
    if (this.#isPlanned(record)) {
      const { options } = this.#choiceOf(record)
      return { key: `due ${idOf(record)}`, project: job.project, priority: job.priority, options }
    }
    const number = (job.priority * this.#projects + project) * 64 + lasts
    const same = this.#wants.get(demand)
    const known = same?.get(number)
    if (known) return known
    const { unit, amount, ranks, within, part } = demand
    const key = [unit, amount, ranks, within, part?.shareMilli, part?.profile, job.priority, lasts, job.project].join(
      ' ',
    )
    const want = { key, project: job.project, priority: job.priority, options: this.#choiceOf(record).options }
    if (same) same.set(number, want)
    else this.#wants.set(demand, new Map([[number, want]]))
    return want
  }

  /** The groups in which it may stand, the cheapest first. */
  #choiceOf({ demand, job, project }: JobRecord): Choice {
    const same = this.#choices.get(demand) ?? new Map<number, Choice>()
    this.#choices.set(demand, same)
    const known = same.get(project)
    if (known) return known
    const terms = this.#terms.get(job.project) ?? plainProject(job.project)
    const ways = this.#floor
      .groupsFor(demand.unit)
      .map((group) => this.#rules.wayOf(demand, terms, { group, priceMicros: this.#floor.priceMicros(group.number) }))
      .filter((way) => !this.#rules.bars(way))
    const options = ways.map((way) => ({
      cell: way.group.number,
      gang: gangOf(way.group, demand),
      amounts: { [demand.unit]: quotaAmount(demand), nodes: way.need.ranks, ...this.#rules.domainsOf(way) },
    }))
    const choice = { ways, options }
    same.set(project, choice)
    return choice
  }
}

/** Where somebody may stand, as the rules see it and as the line is asked for it. */
type Choice = { ways: readonly Way[]; options: readonly Option[] }

const idOf = ({ index }: JobRecord): string => String(index)

const gangOf = (group: NodeGroup, demand: Demand): GangRequest => ({
  ...(demand.within > 0 && { within: { level: Math.min(demand.within, group.domains.length) } }),
  roles: partsOf(group, demand).map(({ each, ranks }) => ({
    size: demand.part ? sizeOfPart(demand.part) : sizeOf(group, each),
    ranks,
  })),
})

/** Whole nodes are found faster when they are asked for as such. */
const sizeOf = ({ unit, size }: NodeGroup, each: number): RankSize =>
  each === size ? { whole: true } : unit === 'gpu' ? { accelerators: each } : { cpuMilli: each }

const sizeOfPart = ({ shareMilli, profile }: Part): RankSize =>
  shareMilli === undefined ? { profile } : { share: shareMilli }

/** Accelerators and cores both in thousandths. */
const quotaAmount = ({ unit, amount, milli }: Demand): number => (unit === 'gpu' ? amount * milli : amount)

/** Ranks on one node follow each other. */
function spotsOf(nodes: readonly number[], { demand }: JobRecord, group: NodeGroup): Spots {
  const spots: number[] = []
  spots.length = 2 * nodes.length // so that it need not grow
  let [at, end] = [0, 0]
  for (const { each, ranks } of partsOf(group, demand))
    for (const last = at + ranks; at < last; at++) {
      const node = group.first + (nodes[at] ?? 0)
      if (at > 0 && spots[end - 2] === node) spots[end - 1] = (spots[end - 1] ?? 0) + each
      else {
        spots[end++] = node
        spots[end++] = each
      }
    }
  spots.length = end
  return spots
}
