import type { Clock } from '#kit/clock.ts'
import { shellCode } from '#kit/exit-code.ts'
import { drawOf } from '#kit/random.ts'
import type { AgentAnswer, AgentReport, Exit, Go } from '#model/agent-protocol.ts'
import { redialMs } from '#model/redial.ts'
import type { RankSighting } from '#providers/provider.ts'
import { type Network, nowhere } from './network.ts'
import { behaviourOf, type Process, startProcess, terminated } from './process.ts'
import { Tasks } from './tasks.ts'

export type AgentOptions = {
  rank: number
  token: string
  credential: string
  controlPlanes: string[]
  /** Where it is: what the network knows it by. */
  site: string
  /** What it may start with before anybody answers it. */
  permit: Go | null
  /** Nothing that it says ever reaches anybody. */
  isCutOff: boolean
  clock: Clock
  network: Network
  /** Its node is there. One whose node is gone says and does nothing more. */
  lives: () => boolean
  /** Is told whenever its `sighting` may be another one. */
  changed: () => void
}

/**
 * What befalls an agent alone, while its node lives on: it dies, and its site sees that (`crash`) or shows what it showed
 * before (`die`); or it stands still for a while (`hang`). What a dead agent ran does not go on without it.
 */
export type Blow = 'die' | 'crash' | 'hang'

/** What becomes of a rank, as its agent knows it by its own clock, and the longest time in which that reached nobody. */
export type AgentDoes = Pick<RankSighting, 'state' | 'exitCode' | 'endedAt'> & { silentMs: number; isMute: boolean }

/** The program that runs one rank on a simulated node: it speaks the protocol of agents, as the real one does. */
export type Agent = {
  readonly rank: number
  /** What whoever looks at its node sees, as far as the agent has a say in it. */
  sighting(): Shown
  does(): AgentDoes
  strike(how: Blow, forMs: number): void
  /** The node is told to end. */
  terminate(graceMs: number): void
}

type Shown = Pick<RankSighting, 'state' | 'exitCode' | 'startedAt' | 'endedAt'>

const longPollMs = 20_000

export function startAgent(options: AgentOptions): Agent {
  const agent = new SimulatedAgent(options)
  void agent.run()
  return agent
}

class SimulatedAgent implements Agent {
  readonly rank: number
  readonly #options: AgentOptions
  readonly #silence: Silence
  #dead: Blow | null = null
  #hung: Promise<void> | null = null
  /** What its node shows of it while it can write nothing down. */
  #frozen: Shown | null = null
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
    this.#silence = new Silence(options.clock)
  }

  sighting(): Shown {
    if (this.#dead === 'crash') return { ...this.#shown(), state: 'lost', exitCode: null }
    return this.#frozen ?? this.#shown()
  }

  does(): AgentDoes {
    const { state, exitCode, endedAt } = this.#dead === 'crash' ? this.sighting() : this.#shown()
    return { state, exitCode, endedAt, silentMs: this.#silence.longestMs(), isMute: this.#isMute() }
  }

  #isMute(): boolean {
    return this.#dead !== null || this.#hung !== null || this.#options.isCutOff
  }

  strike(how: Blow, forMs: number): void {
    if (this.#dead !== null || this.#state === 'exited') return
    this.#frozen ??= this.#shown()
    if (how !== 'hang') this.#dead = how
    else this.#hung ??= this.#options.clock.sleep(forMs).then(() => this.#wakeUp())
    this.#options.changed()
  }

  #wakeUp(): void {
    this.#hung = null
    if (this.#dead === null) this.#frozen = null
    this.#options.changed()
  }

  #lives(): boolean {
    return this.#dead === null && this.#options.lives()
  }

  #shown(): Shown {
    const [startedAt, endedAt] = [this.#startedAt, this.#endedAt]
    if (this.#state === 'arrived') return { state: 'arrived', exitCode: null, startedAt, endedAt }
    if (this.#exit === null) return { state: 'running', exitCode: null, startedAt, endedAt }
    return { state: 'exited', exitCode: shellCode(this.#exit), startedAt, endedAt }
  }

  terminate(graceMs: number): void {
    this.#stop(graceMs)
  }

  /** From its arrival to the acknowledged report of its end. */
  async run(): Promise<void> {
    const { clock, rank, permit } = this.#options
    let seen = ''
    if (permit) this.#start(permit)
    for (let number = 1; this.#lives(); number++) {
      if (this.#hung) await this.#hung
      const isUrgent = this.#news
      this.#news = false
      this.#wake = new AbortController()
      const report = { ...this.#report(), rank, number, sentAt: clock.now(), seen, waitMs: isUrgent ? 0 : longPollMs }
      const reply = await this.#sync(report, isUrgent ? null : this.#wake.signal)
      if (this.#hung) await this.#hung
      if (!this.#lives()) return
      if (reply === 'away') {
        this.#news ||= isUrgent
        await clock.sleep(this.#pauseMs(number), this.#wake.signal)
      } else if (reply !== 'aborted') {
        this.#silence.broken()
        if (reply.fenced) return void this.#stop(0)
        this.#hear(reply, report)
        if (report.state === 'exited') return this.#silence.over()
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
    const { network, credential, site, isCutOff, clock } = this.#options
    const address = this.#addresses[this.#current % this.#addresses.length] ?? ''
    const gaveUp = new AbortController()
    const request = network.fetch(`${address}/agent/v1/sync`, {
      from: isCutOff ? nowhere : site,
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
    return redialMs(tries, drawOf(token, rank, number))
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

  #start({ environment, slots, peers }: Go): void {
    const { clock, token, rank } = this.#options
    if (peers.includes(''))
      throw new Error(`rank ${rank} of ${token} is to start, and was not told where all others are`)
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
    this.#options.changed()
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
    if (this.#exit !== null || !this.#lives()) return
    this.#exit = exit
    this.#endedAt = this.#options.clock.now()
    this.#state = 'exited'
    this.#ready = false
    this.#options.changed()
    this.#tell()
  }
}

/** How long an agent was answered by nobody, at the longest. */
class Silence {
  readonly #clock: Clock
  #since: number | null
  #longestMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#since = clock.now()
  }

  broken(): void {
    this.#longestMs = this.longestMs()
    this.#since = this.#clock.now()
  }

  /** It has nothing more to say. */
  over(): void {
    this.#since = null
  }

  longestMs(): number {
    return this.#since === null ? this.#longestMs : Math.max(this.#longestMs, this.#clock.now() - this.#since)
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
