import type { Clock } from '#kit/clock.ts'
import { createLife, type Life, planeOf } from './life.ts'
import type { Network } from './network.ts'
import { type Ground, type Plane, startPlane } from './plane.ts'
import type { Recorder } from './record.ts'
import type { Trace } from './trace.ts'

/** The control planes of a house, each a line of processes: when one dies, the next starts after a while. */
export type Planes = {
  /** The process that each control plane has now. */
  lives: ReadonlyMap<string, Life>
  start(plane: string): Promise<void>
  /** Ends a process in order, and another starts later. One that dies meanwhile, or is dead, comes back as it would anyway. */
  upgrade(plane: string, downMs: number): Promise<void>
  /** Ends them for good. */
  close(): void
}

type Options = {
  clock: Clock
  network: Network
  trace: Trace
  recorder: Recorder
  ground: Ground
  skewOf(plane: string): number
  /** A process is no more. */
  buried(life: Life): void
}

export function createPlanes(options: Options): Planes {
  const { clock, network, trace, recorder, ground } = options
  const lives = new Map<string, Life>()
  const running = new Map<Life, Plane>()
  const births = new Map<string, number>()
  const bury = (life: Life): void => {
    life.die()
    options.buried(life)
    const plane = running.get(life)
    if (plane) network.leave(plane)
    running.delete(life)
  }
  const rise = (plane: string, downMs: number): void => {
    void clock.sleep(downMs).then(() => start(plane))
  }
  const bear = (plane: string): Life => {
    const birth = (births.get(plane) ?? 0) + 1
    births.set(plane, birth)
    const died = (life: Life, downMs: number) => {
      bury(life)
      rise(plane, downMs)
    }
    const life = lifeOf(`${plane}/${birth}`, options, died)
    // Calls that are made seldom, or only at a start, are met by whichever process makes the next one.
    for (const one of lives.get(plane)?.unmet() ?? []) life.ambush(one)
    return life
  }
  async function start(plane: string): Promise<void> {
    const life = bear(plane)
    lives.set(plane, life)
    trace.note({ at: clock.now(), who: life.name, what: 'starts', outcome: '' })
    try {
      const started = await startPlane(life, ground)
      running.set(life, started)
      network.join(started)
    } catch (error) {
      ground.wrong(life.name, 'could not start', error)
      bury(life)
      rise(plane, 1_000)
    }
  }
  async function upgrade(plane: string, downMs: number): Promise<void> {
    const life = lives.get(plane)
    const started = life && running.get(life)
    if (!started) return
    // Nobody is answered while it ends; another step may have asked it to end already.
    running.delete(life)
    network.leave(started)
    await started.stop()
    recorder.met('upgrade', { who: life.name, call: 'stop', args: [] })
    bury(life)
    rise(plane, downMs)
  }
  return {
    lives,
    start,
    upgrade,
    close() {
      for (const life of lives.values()) bury(life)
    },
  }
}

function lifeOf(name: string, options: Options, died: (life: Life, downMs: number) => void): Life {
  const { clock, recorder, skewOf } = options
  const life: Life = createLife({
    name,
    clock,
    skewMs: skewOf(planeOf({ name })),
    fallen(ambush, call, args) {
      recorder.met(`${ambush.blow === 'die' ? 'kill' : 'pause'}-${ambush.edge}`, { who: name, call, args })
      if (ambush.blow === 'die') died(life, ambush.downMs)
    },
  })
  return life
}
