import type { ProviderName } from '#model/names.ts'
import type { WrittenSpec } from '#model/spec/spec.ts'
import type { SimulatedOptions } from '#providers/simulated/options.ts'
import type { CallName, Trouble } from '#providers/simulated/trouble.ts'
import type { Blow } from './agent.ts'
import type { DatabaseFault } from './database.ts'
import type { Edge } from './life.ts'

/** What happens to a house, as a value: the same story is the same history, to the last call. */
export type Story = {
  /** Of all that is drawn meanwhile. */
  seed: number
  /** Control planes, each with how far its clock is off. */
  planes: { name: string; skewMs: number }[]
  cloud: Omit<SimulatedOptions, 'seed' | 'sites'> & { sites: StorySite[] }
  /** What befalls a share of the calls to sites, or of the gangs that they launch. */
  troubles: { trouble: Trouble; site?: string; calls?: CallName[]; share: number; fromMs: number; toMs: number }[]
  /**
   * Sites at which our agents run the ranks, how far the clocks of their nodes may be off, and what share of those that
   * come up before the faults cease never reach anybody.
   */
  agents: { sites: string[]; skewMs: number; cutOff?: number }
  projects: { name: string; fields: Record<string, unknown> }[]
  /** Control planes plan over sites, as a server does. */
  plansSites?: true
  /** Nobody is moved to free a domain for others, as at a server that is not told otherwise. */
  movesNobody?: true
  /** How often each control plane tidies up, and how long what has ended is kept; as a server does where it is absent. */
  keeps?: { everyMs: number; keepMs: number }
  /** In the order of their time. */
  steps: Step[]
  /** When all faults cease; by then no step is left. */
  calmAt: number
}

/** A site, and which provider it is of: `simulated` where that is absent. Its name is unique among those of all. */
export type StorySite = SimulatedOptions['sites'][number] & { provider?: ProviderName }

export const providerOf = ({ provider = 'simulated' }: Pick<StorySite, 'provider'>): ProviderName => provider

/** Times are milliseconds since the begin of the story. */
export type Step = { at: number } &
  /** `planned`: somebody asks for a plan first, and applies that. */
  (
    | { do: 'submit'; spec: WrittenSpec; planned?: true }
    | { do: 'stop' | 'hold' | 'release'; name: string; project: string }
    | { do: 'priority'; name: string; project: string; priority: number }
    | { do: 'project'; name: string; fields: Record<string, unknown> }
    /** A secret is made or changed; null: it is removed. */
    | { do: 'secret'; project: string; name: string; value: string | null }
    /** Somebody only reads. */
    | { do: 'look'; path: string }
    /** Somebody follows events from now on, all or those of a project: so often, so many at a time. */
    | { do: 'follow'; who: string; everyMs: number; size: number; project?: string }
    /** A site does not answer (or never), or all that runs there is gone, too: and it never comes back, if `forGood`. */
    | { do: 'cut'; site: string; how: 'unreachable' | 'hanging' | 'lost'; forMs: number; forGood?: true }
    /** Control planes that start from now on do not know of a site, and all are ended in order now, and when it is over. */
    | { do: 'undeclare'; site: string; forMs: number }
    /** From now on there is so much at a site, at such a price. */
    | { do: 'supply'; site: string; nodes?: number; priceMicros?: number; quota?: number | null }
    /** One of its nodes that have names is no more, or takes nothing new, or what stands there hangs; for a while. */
    | { do: 'node'; site: string; node: string; how: 'down' | 'away' | 'cordoned' | 'tainted' | 'hung'; forMs: number }
    /** Every call to a site, or every gang that it launches, is befallen by this for a while. */
    | { do: 'befall'; site: string; trouble: Trouble; forMs: number }
    /** What a site's agents send is lost. */
    | { do: 'sever'; site: string; forMs: number }
    /** A share of a site's agents is befallen alone, while their nodes live on; how long they hang. */
    | { do: 'strike'; site: string; how: Blow; share: number; forMs: number }
    /** A process dies at its `nth` call from now on whose name begins with `call`, and a new one starts later. */
    | { do: 'kill'; plane: string; call: string; nth: number; edge: Edge; downMs: number }
    /** It is ended in order, as for an upgrade, and a new one starts later. */
    | { do: 'upgrade'; plane: string; downMs: number }
    /** It stands still there for a while, and goes on as if nothing had been. */
    | { do: 'pause'; plane: string; call: string; nth: number; edge: Edge; forMs: number }
    | { do: 'database'; plane: string; call: string; nth: number; times: number; how: DatabaseFault }
    /** `crash`: it did not end in order, and claims that had not waited for the disk were never there. */
    | { do: 'restart-database'; forMs: number; crash?: true }
    | { do: 'deafen'; plane: string; forMs: number }
  )

/** Sites that are gone at the end of a story, and never come back. */
export const goneSites = ({ steps }: Pick<Story, 'steps'>): Set<string> =>
  new Set(steps.flatMap((step) => (step.do === 'cut' && step.forGood ? [step.site] : [])))

/** Sites that are declared no more for a while, as `provider/site`. */
export const undeclaredSites = ({ steps, cloud }: Pick<Story, 'steps' | 'cloud'>): Set<string> =>
  new Set(
    cloud.sites.flatMap((site) =>
      steps.some((step) => step.do === 'undeclare' && step.site === site.name)
        ? [`${providerOf(site)}/${site.name}`]
        : [],
    ),
  )

/** A step as people read it. */
export function stepText(step: Step): string {
  switch (step.do) {
    case 'submit':
      return `somebody ${step.planned ? 'plans and ' : ''}submits the ${step.spec.kind} ${step.spec.name}: ${JSON.stringify(step.spec)}`
    case 'stop':
    case 'hold':
    case 'release':
      return `somebody asks to ${step.do} ${step.name}`
    case 'priority':
      return `somebody gives ${step.name} the priority ${step.priority}`
    case 'project':
      return `somebody changes the project ${step.name}: ${JSON.stringify(step.fields)}`
    case 'secret':
      return `somebody ${step.value === null ? 'removes' : 'writes'} the secret ${step.name} of ${step.project}`
    case 'look':
      return `somebody reads ${step.path}`
    case 'undeclare':
      return `${step.site} is declared no more, for ${step.forMs} ms`
    case 'follow':
      return `${step.who} follows the events of ${step.project ?? 'all projects'} every ${step.everyMs} ms, ${step.size} at a time`
    case 'supply':
      return `at ${step.site} there is from now on ${JSON.stringify({ ...step, at: undefined, do: undefined, site: undefined })}`
    case 'upgrade':
      return `${step.plane} is ended in order, for ${step.downMs} ms`
    case 'cut':
      if (step.forGood) return `the site ${step.site} is lost for good`
      return `the site ${step.site} is ${step.how} for ${step.forMs} ms`
    case 'node':
      return `the node ${step.node} of ${step.site} is ${step.how} for ${step.forMs} ms`
    case 'befall':
      return `at ${step.site} all is befallen by ${step.trouble} for ${step.forMs} ms`
    case 'sever':
      return `the agents of ${step.site} reach nobody for ${step.forMs} ms`
    case 'strike':
      return `${step.share * 100} % of the agents of ${step.site} ${step.how}${step.how === 'hang' ? ` for ${step.forMs} ms` : ''}`
    case 'kill':
      return `${step.plane} dies ${step.edge} its call number ${step.nth} of ${step.call || 'any kind'}, for ${step.downMs} ms`
    case 'pause':
      return `${step.plane} stands still ${step.edge} its call number ${step.nth} of ${step.call || 'any kind'}, for ${step.forMs} ms`
    case 'database':
      return `the database meets call number ${step.nth} of ${step.plane} to ${step.call || 'anything'} with ${step.how}, ${step.times} times`
    case 'restart-database':
      return `the database ${step.crash ? 'crashes' : 'restarts'}, and is away for ${step.forMs} ms`
    case 'deafen':
      return `${step.plane} hears no nudges for ${step.forMs} ms`
  }
}
