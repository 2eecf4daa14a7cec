import { type FileHandle, open } from 'node:fs/promises'

import type { AgentAnswer, AgentReport, EndedTask, Exit } from '#model/agent-protocol.ts'

import type { Group } from './group.ts'

const journalFile = 'tasks.jsonl'
const mostJournalBytes = 1024 * 1024
/** Tasks leased ahead, at most, for each slot: short tasks should not wait for an answer. */
const mostAhead = 64
/** Tasks that ended are reported together, unless a slot has nothing to do. */
const gatherMs = 50

type SlotsParts = { slots: number; start: (index: number) => Group; changed: (delayMs: number) => void }

/**
 * Runs the tasks of an array that this agent was leased, so many side by side. A task goes from `waiting` to `running`
 * to `unwritten` (ended, not on disk) to `unsettled` (on disk, not acknowledged), and is forgotten once it is settled.
 */
export class Slots {
  readonly #parts: SlotsParts
  readonly #journal: FileHandle
  readonly #over = Promise.withResolvers<Exit>()
  readonly #waiting: number[] = []
  readonly #running = new Map<number, Group>()
  #unwritten: EndedTask[] = []
  #unsettled: EndedTask[] = []
  #writing = false
  #journalBytes = 0
  #stopping = false
  #noneWillCome = false
  /** When tasks ended within the last second. */
  #recent: number[] = []

  /** Resolves when nothing is left to do, or to wait for. */
  readonly ended: Promise<Exit> = this.#over.promise

  private constructor(parts: SlotsParts, journal: FileHandle) {
    this.#parts = parts
    this.#journal = journal
  }

  static async open(parts: SlotsParts): Promise<Slots> {
    return new Slots(parts, await open(journalFile, 'a', 0o600))
  }

  report(): NonNullable<AgentReport['tasks']> {
    const { slots } = this.#parts
    this.#recent = this.#recent.filter((at) => at > Date.now() - 1000)
    // Only short tasks: a long one that is held here, behind another, is kept from who has nothing to do.
    const ahead = Math.min(mostAhead * slots, Math.max(0, this.#recent.length - slots))
    const held = this.#held()
    const wanted = this.#stopping || this.#noneWillCome ? 0 : Math.max(0, slots + ahead - held.length)
    return { ended: this.#unsettled.slice(0, 10_000), held: held.slice(0, 10_000), wanted }
  }

  /** An answer to the report that held `sent`: those are settled, and new ones may have come. */
  hear(answer: AgentAnswer, sent: AgentReport['tasks']): void {
    this.#unsettled = this.#unsettled.slice(sent?.ended.length ?? 0)
    if (this.#unsettled.length === 0 && this.#journalBytes > mostJournalBytes) {
      this.#journalBytes = 0
      void this.#journal.truncate(0).catch(() => undefined) // it can only stay longer
    }
    if (this.#stopping) return
    const known = new Set([...this.#held(), ...this.#unsettled.map((task) => task.index)])
    this.#waiting.push(...answer.tasks.filter((index) => !known.has(index)))
    this.#noneWillCome = answer.tasksOver
    this.#fill()
  }

  stop(graceMs: number): void {
    this.#stopping = true
    this.#waiting.length = 0
    for (const group of this.#running.values()) group.stop(graceMs)
    this.#fill()
  }

  #held(): number[] {
    return [...this.#running.keys(), ...this.#waiting, ...this.#unwritten.map((task) => task.index)]
  }

  #fill(): void {
    while (this.#running.size < this.#parts.slots) {
      const index = this.#waiting.shift()
      if (index === undefined) break
      this.#begin(index)
    }
    const idle = this.#running.size + this.#waiting.length + this.#unwritten.length === 0
    if (idle && this.#stopping) this.#end({ code: null, signal: 'SIGTERM', outOfMemory: false })
    else if (idle && this.#noneWillCome && this.#unsettled.length === 0)
      this.#end({ code: 0, signal: null, outOfMemory: false })
  }

  #end(exit: Exit): void {
    this.#over.resolve(exit)
    this.#journal.close().catch(() => undefined) // closed before
  }

  #begin(index: number): void {
    const startedAt = Date.now()
    const group = this.#parts.start(index)
    this.#running.set(index, group)
    void group.ended.then(async (exit) => {
      this.#running.delete(index)
      this.#recent.push(Date.now())
      // What we stopped did not end by itself: it goes back to the array, unless it made it.
      if (!this.#stopping || exit.code === 0) this.#unwritten.push({ index, exit, startedAt, endedAt: Date.now() })
      this.#fill()
      await this.#write()
      this.#fill()
    })
  }

  /** Many that end together are written, synced and reported together. */
  async #write(): Promise<void> {
    if (this.#writing) return
    this.#writing = true
    while (this.#unwritten.length > 0) {
      const batch = this.#unwritten.slice(0, 1000)
      const lines = batch.map((task) => `${JSON.stringify(task)}\n`).join('')
      try {
        await this.#journal.write(lines)
        await this.#journal.datasync()
      } catch {
        // A full disk must not stop the array: then the report alone has to do.
      }
      this.#journalBytes += lines.length
      this.#unwritten = this.#unwritten.slice(batch.length)
      this.#unsettled.push(...batch)
      this.#parts.changed(this.#running.size < this.#parts.slots ? 0 : gatherMs)
    }
    this.#writing = false
  }
}
