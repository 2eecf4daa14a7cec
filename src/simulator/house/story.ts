import type { WrittenSpec } from '#model/spec/spec.ts'
import type { SimulatedOptions } from '#providers/simulated/options.ts'
import type { CallName, Trouble } from '#providers/simulated/trouble.ts'
import type { DatabaseFault } from './database.ts'
import type { Edge } from './life.ts'

/** What happens to a house, as a value: the same story is the same history, to the last call. */
export type Story = {
  /** Of all that is drawn meanwhile. */
  seed: number
  /** Control planes, each with how far its clock is off. */
  planes: { name: string; skewMs: number }[]
  cloud: Omit<SimulatedOptions, 'seed'>
  /** What befalls a share of the calls to sites, or of the gangs that they launch. */
  troubles: { trouble: Trouble; site?: string; calls?: CallName[]; share: number; fromMs: number; toMs: number }[]
  /** Sites at which our agents run the ranks, and how far the clocks of their nodes may be off. */
  agents: { sites: string[]; skewMs: number }
  projects: { name: string; fields: Record<string, unknown> }[]
  /** In the order of their time. */
  steps: Step[]
  /** When all faults cease; by then no step is left. */
  calmAt: number
}

/** Times are milliseconds since the begin of the story. */
export type Step = { at: number } & (
  | { do: 'submit'; spec: WrittenSpec }
  | { do: 'stop' | 'hold' | 'release'; name: string; project: string }
  | { do: 'priority'; name: string; project: string; priority: number }
  /** A site does not answer (or never), or all that runs there is gone, too. */
  | { do: 'cut'; site: string; how: 'unreachable' | 'hanging' | 'lost'; forMs: number }
  /** Every call to a site, or every gang that it launches, is befallen by this for a while. */
  | { do: 'befall'; site: string; trouble: Trouble; forMs: number }
  /** What a site's agents send is lost. */
  | { do: 'sever'; site: string; forMs: number }
  /** A process dies at its `nth` call from now on whose name begins with `call`, and a new one starts later. */
  | { do: 'kill'; plane: string; call: string; nth: number; edge: Edge; downMs: number }
  /** It stands still there for a while, and goes on as if nothing had been. */
  | { do: 'pause'; plane: string; call: string; nth: number; edge: Edge; forMs: number }
  | { do: 'database'; plane: string; call: string; nth: number; times: number; how: DatabaseFault }
  | { do: 'restart-database'; forMs: number }
  | { do: 'deafen'; plane: string; forMs: number }
)

/** A step as people read it. */
export function stepText(step: Step): string {
  switch (step.do) {
    case 'submit':
      return `somebody submits the ${step.spec.kind} ${step.spec.name}: ${JSON.stringify(step.spec)}`
    case 'stop':
    case 'hold':
    case 'release':
      return `somebody asks to ${step.do} ${step.name}`
    case 'priority':
      return `somebody gives ${step.name} the priority ${step.priority}`
    case 'cut':
      return `the site ${step.site} is ${step.how} for ${step.forMs} ms`
    case 'befall':
      return `at ${step.site} all is befallen by ${step.trouble} for ${step.forMs} ms`
    case 'sever':
      return `the agents of ${step.site} reach nobody for ${step.forMs} ms`
    case 'kill':
      return `${step.plane} dies ${step.edge} its call number ${step.nth} of ${step.call || 'any kind'}, for ${step.downMs} ms`
    case 'pause':
      return `${step.plane} stands still ${step.edge} its call number ${step.nth} of ${step.call || 'any kind'}, for ${step.forMs} ms`
    case 'database':
      return `the database meets call number ${step.nth} of ${step.plane} to ${step.call || 'anything'} with ${step.how}, ${step.times} times`
    case 'restart-database':
      return `the database restarts, and is away for ${step.forMs} ms`
    case 'deafen':
      return `${step.plane} hears no nudges for ${step.forMs} ms`
  }
}
