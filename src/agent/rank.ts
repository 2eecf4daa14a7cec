import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

import { identify } from '#kit/processes.ts'
import { agentFiles, type AgentOrder, type RankEnd, type RankStart } from '#model/agent-folder.ts'
import type { AgentAnswer, AgentReport, Exit, Go } from '#model/agent-protocol.ts'

import type { Keeper } from './checkpoints/keeper.ts'
import { type Group, startGroup } from './group.ts'
import { createLimits } from './limits.ts'
import type { Output } from './output.ts'
import type { Slots } from './slots.ts'
import { rankEnvironment, workFolder } from './workspace.ts'

export type RankParts = {
  order: AgentOrder
  output: Promise<Output>
  /** Brings the workdir into `folder`; asks for the latest `Go` on each try. Throws when it cannot be had. */
  fetchWorkdir: (go: () => Go, folder: string) => Promise<void>
  /** Whoever keeps the folder of the rank for us has all of it. */
  kept?: () => Promise<void>
  /** There is news to report, at the latest after so many milliseconds. */
  changed: (delayMs?: number) => void
}

/** Starts a script in the workdir, with what is special about it in its environment. */
type Start = (text: string, more?: Record<string, string>) => Group

const success: Exit = { code: 0, signal: null, outOfMemory: false }
/** What a rank ends with that could not be prepared, or whose checkpoint could not be kept. */
const unprepared: Exit = { code: 125, signal: null, outOfMemory: false }
const terminated: Exit = { code: null, signal: 'SIGTERM', outOfMemory: false }

/** The life of a rank: it arrives, waits for the others, runs, and ends. */
export class Rank {
  readonly #parts: RankParts
  readonly #limits: ReturnType<typeof createLimits>
  readonly #over = Promise.withResolvers<void>()
  readonly #forked = Promise.withResolvers<void>()
  readonly #ending = new AbortController()
  #state: AgentReport['state'] = 'arrived'
  #go: Go | undefined
  #begun = false
  #endpoints: string[] = []
  #ready = false
  #startedAt: number | null = null
  #end: RankEnd | undefined
  #group: Group | undefined
  #slots: Slots | undefined
  #stopWithin: number | undefined
  #stopBy = Number.POSITIVE_INFINITY
  #keeper: Keeper | undefined
  readonly #stopped = Promise.withResolvers<void>()

  /** The end is on disk and may be reported. */
  readonly over: Promise<void> = this.#over.promise

  constructor(parts: RankParts) {
    this.#parts = parts
    this.#limits = createLimits(parts.order)
  }

  report(): Omit<AgentReport, 'number' | 'sentAt' | 'waitMs' | 'seen'> {
    return {
      rank: this.#parts.order.rank,
      state: this.#state,
      address: this.#parts.order.address,
      endpoints: this.#endpoints,
      ready: this.#ready,
      exit: this.#end?.exit ?? null,
      startedAt: this.#startedAt,
      endedAt: this.#end?.endedAt ?? null,
      ...(this.#slots ? { tasks: this.#slots.report() } : {}),
    }
  }

  /** Starts without having been told to go by an answer; resolves once its first process was forked, or none will be. */
  start(go: Go): Promise<void> {
    this.#go = go
    this.#begin(() => this.#live(go))
    return this.#forked.promise
  }

  hear(answer: AgentAnswer, sent: AgentReport): void {
    const { go, stop } = answer
    this.#go = go ?? this.#go
    this.#slots?.hear(answer, sent.tasks)
    if (stop) this.stop(stop.graceMs)
    if (go) this.#begin(() => this.#live(go))
  }

  /** SIGTERM now, SIGKILL after `graceMs`; asked again, the earlier end counts. */
  stop(graceMs: number): void {
    this.#stopWithin = Math.min(graceMs, this.#stopWithin ?? graceMs)
    this.#stopBy = Math.min(this.#stopBy, Date.now() + graceMs)
    this.#stopped.resolve()
    this.#begin(() => Promise.resolve(terminated))
    this.#group?.stop(graceMs)
    this.#slots?.stop(graceMs)
  }

  #begin(live: () => Promise<Exit>): void {
    if (this.#begun) return
    this.#begun = true
    void live()
      .catch(async (error: unknown) => {
        const { say } = await this.#parts.output
        say(`this rank could not be started: ${explain(error)}`)
        return unprepared
      })
      .then((exit) => this.#finish(exit))
  }

  async #live(go: Go): Promise<Exit> {
    const { order, output, fetchWorkdir, changed } = this.#parts
    const { descriptor } = await output
    const store = go.checkpointStore && (await this.#openStore(go))
    await Promise.race([
      Promise.all([fetchWorkdir(() => this.#go ?? go, workFolder), store?.keeper.bring()]),
      this.#stopped.promise,
    ])
    if (this.#stopWithin !== undefined) return terminated
    store?.keeper.start()
    this.#keeper = store?.keeper
    const ports =
      go.ports.length === 0 ? [] : await (await import('./ports.ts')).freePorts(order.address, go.ports.length)
    const environment = rankEnvironment(order, store ? { ...go, checkpointRoot: store.root } : go, ports)
    const start: Start = (text, more = {}) =>
      startGroup({
        text,
        folder: workFolder,
        environment: { ...environment, ...more },
        output: descriptor,
        cgroup: this.#limits?.procs,
      })

    this.#startedAt = Date.now()
    this.#endpoints = ports.map((port) => `${order.address}:${port}`)
    this.#ready = go.readiness === null
    this.#state = 'running'
    changed()
    const prepared = go.setup === null ? success : await this.#run(() => start(go.setup ?? ''))
    if (prepared.code !== 0) return prepared
    if (go.slots > 0) return this.#runTasks(go, start)
    this.#watch(go, ports[0])
    return this.#run(() => start(go.run))
  }

  async #run(start: () => Group): Promise<Exit> {
    if (this.#stopWithin !== undefined) return terminated
    this.#group = start()
    this.#forked.resolve()
    this.#note(this.#group.pid)
    return this.#group.ended
  }

  async #runTasks(go: Go, start: Start): Promise<Exit> {
    this.#note(undefined)
    const { Slots } = await import('./slots.ts')
    this.#slots = await Slots.open({
      slots: go.slots,
      changed: this.#parts.changed,
      start: (index) => start(go.run, { ISOBAR_TASK_INDEX: String(index) }),
    })
    if (this.#stopWithin !== undefined) this.#slots.stop(this.#stopWithin)
    this.#parts.changed()
    return this.#slots.ended
  }

  /** Its checkpoints go to a bucket; what it sees is a folder beside its workdir. */
  async #openStore({ checkpointStore, peers }: Go) {
    const { order, output } = this.#parts
    const { Keeper } = await import('./checkpoints/keeper.ts')
    const { workload, attempt, rank } = order
    const root = resolve('checkpoints')
    const { say } = await output
    const place = checkpointStore && { store: checkpointStore, workload, attempt, rank }
    return place && { root, keeper: new Keeper({ place, nodes: peers.length, root, say }) }
  }

  /** A rank that ended well and whose checkpoint is lost has not ended well. Who was told to stop has its grace for it. */
  async #keep(exit: Exit): Promise<Exit> {
    if (!this.#keeper || this.#stopWithin === 0) return exit
    const late = 'there was no time left for what it saved last\ngive it more: checkpoint: { grace: 2m }'
    const problem = await Promise.race([this.#keeper.finish(), this.#timeUp().then(() => late)])
    if (problem === null) return exit
    const { say } = await this.#parts.output
    say(`its last checkpoint is not kept: ${problem}`)
    return exit.code === 0 ? unprepared : exit
  }

  async #timeUp(): Promise<void> {
    await this.#stopped.promise
    while (Date.now() < this.#stopBy)
      await new Promise((go) => setTimeout(go, Math.min(1000, this.#stopBy - Date.now())))
  }

  /** For whoever looks at the folder, and for whoever must clean up after us. */
  #note(pid: number | undefined): void {
    void loadEnding()
    const group = pid === undefined ? undefined : identify(pid)
    const start: RankStart = { startedAt: this.#startedAt ?? Date.now(), group: group ?? null }
    try {
      writeFileSync(agentFiles.start, JSON.stringify(start), { mode: 0o600 })
    } catch {
      // A full disk hides from the folder that we run; the control plane is told by the report.
    }
  }

  #watch({ readiness }: Go, port: number | undefined): void {
    if (!readiness || port === undefined) return
    const check = { address: this.#parts.order.address, port, readiness, signal: this.#ending.signal }
    const tell = (ready: boolean) => {
      this.#ready = ready
      this.#parts.changed()
    }
    void import('./readiness.ts').then(({ watchReadiness }) => watchReadiness(check, tell))
  }

  async #finish(exit: Exit): Promise<void> {
    this.#forked.resolve()
    this.#ending.abort()
    const outOfMemory = this.#limits?.outOfMemory() ?? false
    const { killStrays, record, untilHeard } = await loadEnding()
    await killStrays(this.#parts.order)
    if (this.#parts.order.confined) await untilHeard(exit, this.#stopped.promise)
    const kept = await this.#keep(exit)
    this.#limits?.remove()
    await (await this.#parts.output).close()
    this.#ready = false
    this.#end = { exit: { ...kept, outOfMemory }, startedAt: this.#startedAt, endedAt: Date.now() }
    await record(this.#end)
    await this.#parts.kept?.()
    this.#state = 'exited'
    this.#over.resolve()
    this.#parts.changed()
  }
}

/** Loaded once the rank runs, so that it starts sooner, and not later: by its end another version may be installed. */
const loadEnding = () => import('./ending.ts')

/** An error with what caused it, in one line. */
const explain = (error: unknown): string =>
  error instanceof Error ? [error.message, ...(error.cause ? [explain(error.cause)] : [])].join(': ') : String(error)
