import type { Clock } from '#kit/clock.ts'
import type { AgentAnswer, AgentReport, EndedTask, Exit } from '#model/agent-protocol.ts'
import { type Behaviour, type Process, startProcess, terminated } from './process.ts'

type TasksOptions = {
  slots: number
  behaviour: Behaviour
  clock: Clock
  changed: () => void
  over: (exit: Exit) => void
}

/** Runs the tasks of an array that this agent was leased, so many side by side. */
export class Tasks {
  readonly #options: TasksOptions
  readonly #running = new Map<number, Process>()
  #waiting: number[] = []
  #unsettled: EndedTask[] = []
  #noneWillCome = false
  #isStopping = false

  constructor(options: TasksOptions) {
    this.#options = options
  }

  report(): NonNullable<AgentReport['tasks']> {
    const held = [...this.#running.keys(), ...this.#waiting]
    const wanted = this.#isStopping || this.#noneWillCome ? 0 : Math.max(0, this.#options.slots - held.length)
    return { ended: this.#unsettled.slice(0, 1000), held, wanted }
  }

  hear(answer: AgentAnswer, sent: AgentReport['tasks']): void {
    this.#unsettled = this.#unsettled.slice(sent?.ended.length ?? 0)
    if (this.#isStopping) return this.#fill()
    const known = new Set([...this.#running.keys(), ...this.#waiting, ...this.#unsettled.map(({ index }) => index)])
    this.#waiting.push(...answer.tasks.filter((index) => !known.has(index)))
    this.#noneWillCome = answer.tasksOver
    this.#fill()
  }

  stop(graceMs: number): void {
    this.#isStopping = true
    this.#waiting = []
    for (const process of this.#running.values()) process.stop(graceMs)
    this.#fill()
  }

  #fill(): void {
    const { slots, over } = this.#options
    while (this.#running.size < slots) {
      const index = this.#waiting.shift()
      if (index === undefined) break
      this.#begin(index)
    }
    if (this.#running.size + this.#waiting.length > 0) return
    if (this.#isStopping) over(terminated)
    else if (this.#noneWillCome && this.#unsettled.length === 0) over({ code: 0, signal: null, outOfMemory: false })
  }

  #begin(index: number): void {
    const { behaviour, clock, changed } = this.#options
    const startedAt = clock.now()
    const process = startProcess(behaviour, clock)
    this.#running.set(index, process)
    void process.ended.then((exit) => {
      this.#running.delete(index)
      if (!this.#isStopping || exit.code === 0) this.#unsettled.push({ index, exit, startedAt, endedAt: clock.now() })
      this.#fill()
      changed()
    })
  }
}
