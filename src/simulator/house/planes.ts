import type { Clock } from '#kit/clock.ts'
import { createLife, type Life } from './life.ts'
import type { Network } from './network.ts'
import { type Ground, type Plane, startPlane } from './plane.ts'
import type { Recorder } from './record.ts'
import type { Trace } from './trace.ts'

/** The control planes of a house, each a line of processes: when one dies, the next starts after a while. */
export type Planes = {
  /** The process that each control plane has now. */
  lives: ReadonlyMap<string, Life>
  start(plane: string): Promise<void>
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
    const life: Life = createLife({
      name: `${plane}/${birth}`,
      clock,
      skewMs: options.skewOf(plane),
      fallen(ambush, call, args) {
        recorder.met(`${ambush.blow === 'die' ? 'kill' : 'pause'}-${ambush.edge}`, { who: life.name, call, args })
        if (ambush.blow !== 'die') return
        bury(life)
        rise(plane, ambush.downMs)
      },
    })
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
  return {
    lives,
    start,
    close() {
      for (const life of lives.values()) bury(life)
    },
  }
}
