import type { Clock, Instant } from '#kit/clock.ts'

/** Where in a call something befalls whoever makes it: before it is made, or when it was made and not answered. */
export type Edge = 'before' | 'after'

/** What befalls a process at one of its calls: it dies, or stands still for a while (and does not know). */
export type Blow = { blow: 'die'; downMs: number } | { blow: 'pause'; forMs: number }

/** Something that is to befall a process at the `nth` call from now on whose name begins with `call`. */
export type Ambush = { call: string; nth: number; edge: Edge } & Blow

/**
 * The life of one simulated process. All that it does to the world goes through `doing`, and all its sleep through its
 * `clock`: once it is dead it never acts again, and what it waits for never comes; while it stands still all of that is
 * held back.
 */
export type Life = {
  readonly name: string
  readonly clock: Clock
  /** Makes a call to the world, unless this is not to be. */
  doing<T>(call: string, make: () => Promise<T>, args?: readonly unknown[]): Promise<T>
  /** Is told, if it lives, when it does not stand still. */
  told(tell: () => void): void
  ambush(ambush: Ambush): void
  /** What it has not met yet. */
  unmet(): readonly Ambush[]
  /** Nothing more is to befall it, and it goes on if it stands still. */
  calm(): void
  die(): void
  state(): 'alive' | 'paused' | 'dead'
}

/** The control plane that a process is one of: `a` of `a/2`. */
export const planeOf = ({ name }: Pick<Life, 'name'>): string => name.replace(/\/.*/, '')

type Options = {
  name: string
  clock: Clock
  /** How far its clock is ahead of the world's. */
  skewMs: number
  /** A blow has fallen, at this call. */
  fallen: (ambush: Ambush, call: string, args: readonly unknown[]) => void
}

export function createLife({ name, clock, skewMs, fallen }: Options): Life {
  const gate = createGate(clock)
  let ambushes: Ambush[] = []
  const meets = (call: string, edge: Edge, args: readonly unknown[]): void => {
    const ambush = ambushes.length > 0 && strikes(ambushes, call, edge)
    if (!ambush) return
    ambushes = ambushes.filter((one) => one !== ambush)
    if (ambush.blow === 'pause') gate.close(ambush.forMs)
    else gate.die()
    fallen(ambush, call, args)
  }
  return {
    name,
    state: gate.state,
    clock: {
      now: () => clock.now() + skewMs,
      async sleep(milliseconds, signal) {
        await clock.sleep(milliseconds, signal)
        for (let wait = gate.wait(); wait; wait = gate.wait()) await wait
      },
      giveWay: () => clock.giveWay(),
    },
    async doing(call, make, args = []) {
      for (let wait = gate.wait(); wait; wait = gate.wait()) await wait
      meets(call, 'before', args)
      for (let wait = gate.wait(); wait; wait = gate.wait()) await wait
      try {
        return await make()
      } finally {
        // Whoever dies here waits for ever, and hears of no answer.
        if (gate.state() !== 'dead') meets(call, 'after', args)
        for (let wait = gate.wait(); wait; wait = gate.wait()) await wait
      }
    },
    told(tell) {
      const wait = gate.wait()
      if (wait) void wait.then(tell)
      else tell()
    },
    ambush: (ambush) => void ambushes.push({ ...ambush }),
    unmet: () => ambushes,
    calm() {
      ambushes = []
      gate.open()
    },
    die: gate.die,
  }
}

/** The ambush that a call runs into, if it does. */
const strikes = (ambushes: Ambush[], call: string, edge: Edge): Ambush | undefined =>
  ambushes.find((one) => one.edge === edge && call.startsWith(one.call) && --one.nth <= 0)

/** What all acts of a process pass: closed while it stands still, and never open again once it is dead. */
function createGate(clock: Clock) {
  let isDead = false
  let closedUntil: Instant = 0
  let held: (() => void)[] = []
  const pass = (): void => {
    if (isDead || clock.now() < closedUntil) return
    const all = held
    held = []
    for (const goOn of all) goOn()
  }
  return {
    state: (): ReturnType<Life['state']> => (isDead ? 'dead' : clock.now() < closedUntil ? 'paused' : 'alive'),
    /** Null where one may pass at once. What a dead process waits for is its own each time, so that it can be forgotten. */
    wait(): Promise<void> | null {
      if (isDead) return new Promise(() => {})
      return clock.now() < closedUntil ? new Promise((resolve) => held.push(resolve)) : null
    },
    close(milliseconds: number): void {
      closedUntil = Math.max(closedUntil, clock.now() + milliseconds)
      void clock.sleep(milliseconds).then(pass)
    },
    open(): void {
      closedUntil = 0
      pass()
    },
    die(): void {
      isDead = true
      held = []
    },
  }
}
