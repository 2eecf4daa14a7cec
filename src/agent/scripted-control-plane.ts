import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'

import type { AgentAnswer, AgentReport, EndedTask, Go } from '#model/agent-protocol.ts'
import { type GangAnswer, GangAsk } from '#model/gang-relay.ts'

/** What the agents of one credential are told. A test changes it as it goes and calls `changed`. */
export type Gang = {
  ranks: number
  go: (rank: number) => Partial<Go>
  stop?: { graceMs: number; reason: string }
  fenced?: boolean
  /** Tasks of an array, leased in order. */
  tasks?: number
}

/**
 * A control plane for tests, over real sockets: agents meet there and get what a test has scripted. Only tests use
 * this file.
 */
export class ScriptedControlPlane {
  readonly gangs = new Map<string, Gang>()
  /** Tasks that were reported as ended. */
  readonly ended = new Map<number, EndedTask>()
  /** Tasks that ended a second time, from whomever. */
  readonly doubled: EndedTask[] = []
  /** What GET answers, by path. */
  readonly files = new Map<string, Uint8Array>()
  /** Answers gangs whose nodes see no disk of ours, by their credential; with what they are to run. */
  relay?: {
    ask(credential: string, question: GangAsk): Promise<Omit<GangAnswer, 'controlPlanes'>>
    program(): Promise<AsyncIterable<Uint8Array>>
  }
  /** Every nth answer is lost on its way, after it took effect; 0 for none. */
  dropEvery = 0
  /** Where agents are told to dial from now on. */
  controlPlanes: string[] = []
  syncs = 0
  /** Files that were asked for and are not there. */
  missed = 0

  readonly #reports = new Map<string, AgentReport>()
  readonly #leased = new Map<string, Set<number>>()
  readonly #waiting = new Set<() => void>()
  #version = 1
  #server = createServer()
  #port = 0

  static async open(): Promise<ScriptedControlPlane> {
    const controlPlane = new ScriptedControlPlane()
    await controlPlane.up()
    return controlPlane
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** The latest report of a rank. */
  report(credential: string, rank = 0): AgentReport | undefined {
    return this.#reports.get(`${credential}/${rank}`)
  }

  /** Tells those who wait that there is news. */
  changed(): void {
    this.#version++
    for (const wake of this.#waiting) wake()
  }

  async up(): Promise<void> {
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch(() => response.destroy())
    })
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port // a TCP server has such an address
  }

  async down(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    for (const wake of this.#waiting) wake()
    await closed
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'GET' && request.url === '/agent/v1/program' && this.relay) {
      await pipeline(await this.relay.program(), response)
      return
    }
    if (request.method === 'GET') {
      const file = this.files.get(request.url ?? '')
      if (!file) this.missed++
      response.writeHead(file ? 200 : 404).end(file)
      return
    }
    let body = ''
    for await (const part of request as AsyncIterable<Buffer>) body += part.toString()
    const credential = (request.headers.authorization ?? '').replace('Bearer ', '')
    if (request.url === '/agent/v1/gang') return this.#relayed(response, credential, body)
    const report = JSON.parse(body) as AgentReport
    this.#note(credential, report)
    const first = this.#answer(credential, report)
    if (report.waitMs > 0 && first?.version === report.seen && first.tasks.length === 0)
      await this.#news(report.waitMs, response)
    if (response.destroyed) return
    const answer = this.#answer(credential, report)
    this.syncs++
    if (this.dropEvery > 0 && this.syncs % this.dropEvery === 0) request.socket.destroy()
    else response.writeHead(answer ? 200 : 401).end(JSON.stringify(answer ?? {}))
  }

  async #relayed(response: ServerResponse, credential: string, body: string): Promise<void> {
    const answer = await this.relay?.ask(credential, GangAsk.parse(JSON.parse(body)))
    this.syncs++
    if (this.dropEvery > 0 && this.syncs % this.dropEvery === 0) response.destroy()
    else response.writeHead(answer ? 200 : 401).end(JSON.stringify({ ...answer, controlPlanes: this.controlPlanes }))
  }

  #news(waitMs: number, response: ServerResponse): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, waitMs)
      this.#waiting.add(wake)
      response.once('close', wake)
    })
  }

  /** Once, when it comes: whoever waited for news with an older one is answered later. */
  #note(credential: string, report: AgentReport): void {
    if (!this.gangs.has(credential)) return
    const before = this.report(credential, report.rank)
    this.#reports.set(`${credential}/${report.rank}`, report)
    if (before?.state !== report.state) this.changed()
  }

  #answer(credential: string, report: AgentReport): AgentAnswer | undefined {
    const gang = this.gangs.get(credential)
    if (!gang) return undefined
    const peers = Array.from({ length: gang.ranks }, (_, rank) => this.report(credential, rank)?.address)
    const known = peers.filter((address) => address !== undefined)
    const met = known.length === gang.ranks && report.state === 'arrived'
    return {
      version: String(this.#version),
      go: met ? { ...plainGo, peers: known, ...gang.go(report.rank) } : null,
      stop: gang.stop ?? null,
      fenced: gang.fenced ?? false,
      ...this.#lease(gang, `${credential}/${report.rank}`, report.tasks),
      controlPlanes: this.controlPlanes,
    }
  }

  #lease(gang: Gang, worker: string, tasks: AgentReport['tasks']): Pick<AgentAnswer, 'tasks' | 'tasksOver'> {
    const mine = this.#leased.get(worker) ?? new Set<number>()
    this.#leased.set(worker, mine)
    for (const task of tasks?.ended ?? []) {
      const before = this.ended.get(task.index)
      if (before && before.endedAt !== task.endedAt) this.doubled.push(task)
      this.ended.set(task.index, task)
      mine.delete(task.index)
    }
    const held = new Set(tasks?.held)
    const repeated = [...mine].filter((index) => !held.has(index)) // the answer that gave them was lost
    const taken = new Set([...this.ended.keys(), ...[...this.#leased.values()].flatMap((set) => [...set])])
    const free = Array.from({ length: gang.tasks ?? 0 }, (_, index) => index).filter((index) => !taken.has(index))
    const fresh = free.slice(0, tasks?.wanted ?? 0)
    for (const index of fresh) mine.add(index)
    return { tasks: [...repeated, ...fresh], tasksOver: this.ended.size === gang.tasks }
  }
}

/** What a rank is told that needs nothing. */
export const plainGo: Go = {
  peers: [],
  environment: {},
  setup: null,
  run: 'true',
  bundle: null,
  checkpointRoot: null,
  ports: [],
  readiness: null,
  slots: 0,
}
