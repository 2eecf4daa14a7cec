import { backoffMs } from '#kit/backoff.ts'
import type { Clock } from '#kit/clock.ts'
import { shellCode } from '#kit/exit-code.ts'
import { drawOf } from '#kit/random.ts'
import type { AgentAnswer, AgentReport, EndedTask, Exit, Go } from '#model/agent-protocol.ts'
import type { RankSighting } from '#providers/provider.ts'
import type { Network } from './network.ts'
import { type Behaviour, behaviourOf, type Process, startProcess } from './process.ts'

export type AgentOptions = {
  rank: number
  token: string
  credential: string
  controlPlanes: string[]
  /** Where it is: what the network knows it by. */
  site: string
  clock: Clock
  network: Network
  /** Its node is there. One whose node is gone says and does nothing more. */
  lives: () => boolean
}

/** The program that runs one rank on a simulated node: it speaks the protocol of agents, as the real one does. */
export type Agent = {
  readonly rank: number
  /** What whoever looks at its node sees, as far as the agent has a say in it. */
  sighting(): Pick<RankSighting, 'state' | 'exitCode' | 'startedAt' | 'endedAt'>
  /** The node is told to end. */
  terminate(graceMs: number): void
}

const longPollMs = 20_000
const terminated: Exit = { code: null, signal: 'SIGTERM', outOfMemory: false }

export function startAgent(options: AgentOptions): Agent {
  const agent = new SimulatedAgent(options)
  void agent.run()
  return agent
}

class SimulatedAgent implements Agent {
  readonly rank: number
  readonly #options: AgentOptions
  #state: AgentReport['state'] = 'arrived'
  #exit: Exit | null = null
  #startedAt: number | null = null
  #endedAt: number | null = null
  #ready = false
  #begun = false
  #isStopping = false
  #process: Process | null = null
  #tasks: Tasks | null = null
  #addresses: string[]
  #current = 0
  #failures = 0
  #news = true
  #wake = new AbortController()

  constructor(options: AgentOptions) {
    this.#options = options
    this.rank = options.rank
    this.#addresses = options.controlPlanes
  }

  sighting(): ReturnType<Agent['sighting']> {
    const [startedAt, endedAt] = [this.#startedAt, this.#endedAt]
    if (this.#state === 'arrived') return { state: 'expected', exitCode: null, startedAt, endedAt }
    if (this.#exit === null) return { state: 'running', exitCode: null, startedAt, endedAt }
    return { state: 'exited', exitCode: shellCode(this.#exit), startedAt, endedAt }
  }

  terminate(graceMs: number): void {
    this.#stop(graceMs)
  }

  /** From its arrival to the acknowledged report of its end. */
  async run(): Promise<void> {
    const { clock, rank, lives } = this.#options
    let seen = ''
    for (let number = 1; lives(); number++) {
      const isUrgent = this.#news
      this.#news = false
      this.#wake = new AbortController()
      const report = { ...this.#report(), rank, number, sentAt: clock.now(), seen, waitMs: isUrgent ? 0 : longPollMs }
      const reply = await this.#sync(report, isUrgent ? null : this.#wake.signal)
      if (!lives()) return
      if (reply === 'away') {
        this.#news ||= isUrgent
        await clock.sleep(this.#pauseMs(number), this.#wake.signal)
      } else if (reply !== 'aborted') {
        if (reply.fenced) return void this.#stop(0)
        this.#hear(reply, report)
        if (report.state === 'exited') return
        if (!isUrgent && reply.version === seen) await clock.sleep(200, this.#wake.signal)
        seen = reply.version
      }
    }
  }

  #report(): Omit<AgentReport, 'rank' | 'seen' | 'waitMs'> {
    const { token, rank } = this.#options
    return {
      state: this.#state,
      address: `${token}-${rank}`,
      endpoints: [],
      ready: this.#ready,
      exit: this.#exit,
      startedAt: this.#startedAt,
      endedAt: this.#endedAt,
      ...(this.#tasks && { tasks: this.#tasks.report() }),
    }
  }

  async #sync(report: AgentReport, signal: AbortSignal | null): Promise<AgentAnswer | 'away' | 'aborted'> {
    const { network, credential, site, clock } = this.#options
    const address = this.#addresses[this.#current % this.#addresses.length] ?? ''
    const gaveUp = new AbortController()
    const request = network.fetch(`${address}/agent/v1/sync`, {
      from: site,
      method: 'POST',
      body: JSON.stringify(report),
      headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
      signal: signal ? AbortSignal.any([signal, gaveUp.signal]) : gaveUp.signal,
    })
    const answered = request.then(readAnswer, () => 'away' as const)
    const reply = await Promise.race([
      answered,
      clock.sleep(report.waitMs + 10_000, gaveUp.signal).then(() => 'away' as const),
      ...(signal ? [aborted(signal)] : []),
    ])
    gaveUp.abort()
    if (reply === 'aborted') return reply
    if (reply === 'away') {
      this.#failures++
      this.#current++
      return reply
    }
    this.#failures = 0
    if (reply.controlPlanes.length > 0) this.#adopt(reply.controlPlanes, address)
    return reply
  }

  #adopt(next: string[], here: string): void {
    this.#addresses = next
    this.#current = Math.max(0, next.indexOf(here))
  }

  #pauseMs(number: number): number {
    const tries = this.#failures - this.#addresses.length + 1
    if (tries < 1) return 0
    const { token, rank } = this.#options
    return backoffMs({ tries, firstMs: 50, mostMs: 2000, spread: drawOf(token, rank, number) })
  }

  #tell = (): void => {
    this.#news = true
    this.#wake.abort()
  }

  #hear(answer: AgentAnswer, sent: AgentReport): void {
    this.#tasks?.hear(answer, sent.tasks)
    if (answer.stop) this.#stop(answer.stop.graceMs)
    if (answer.go && !this.#begun) this.#start(answer.go)
  }

  #start({ environment, slots }: Go): void {
    const { clock } = this.#options
    const behaviour = behaviourOf(environment)
    this.#begun = true
    this.#state = 'running'
    this.#startedAt = clock.now()
    this.#ready = true
    if (slots > 0) {
      this.#tasks = new Tasks({ slots, behaviour, clock, changed: this.#tell, over: (exit) => this.#end(exit) })
    } else {
      this.#process = startProcess(behaviour, clock)
      void this.#process.ended.then((exit) => this.#end(exit))
    }
    this.#tell()
  }

  #stop(graceMs: number): void {
    if (this.#isStopping) return
    this.#isStopping = true
    if (this.#begun) this.#process?.stop(graceMs)
    else this.#end(terminated)
    this.#begun = true
    this.#tasks?.stop(graceMs)
  }

  #end(exit: Exit): void {
    if (this.#exit !== null || !this.#options.lives()) return
    this.#exit = exit
    this.#endedAt = this.#options.clock.now()
    this.#state = 'exited'
    this.#ready = false
    this.#tell()
  }
}

type TasksOptions = {
  slots: number
  behaviour: Behaviour
  clock: Clock
  changed: () => void
  over: (exit: Exit) => void
}

/** Runs the tasks of an array that this agent was leased, so many side by side. */
class Tasks {
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

async function readAnswer(response: Response): Promise<AgentAnswer | 'away'> {
  if (response.status !== 200) return 'away'
  return (await response.json()) as AgentAnswer // the API of this house
}

const aborted = (signal: AbortSignal): Promise<'aborted'> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve('aborted')
    else signal.addEventListener('abort', () => resolve('aborted'), { once: true })
  })
