import { z } from 'zod'

/** The calls of a provider, as troubles name them. */
export const CallName = z.enum(['offers', 'launch', 'get', 'list', 'retire', 'logs'])
export type CallName = z.infer<typeof CallName>

/** Befalls a call before it has any effect, and is its answer. The first of these that strikes a call is the one. */
export const refusals = ['hanging', 'unreachable', 'denied', 'throttled', 'quota', 'no-capacity'] as const

/**
 * Befalls a call on its way. `slow`: it takes `slowMs` longer. `late`: the caller hears that nobody answers, and the
 * call takes effect `lateMs` later. `duplicated`: it takes effect, and once more `lateMs` later. `lost-reply`: it takes
 * effect, and its answer is lost. `timed-out`: it takes effect, and its answer never comes.
 */
export const deliveries = ['slow', 'late', 'duplicated', 'lost-reply', 'timed-out'] as const

/**
 * Makes an answer untrue. `old-view`: get and list show what was so `lagMs` ago. `page-lost`: a list leaves one gang
 * out. `wrong-status`: a rank is shown as something that it is not. `skewed`: times are `skewMs` off. `old-offers`:
 * offers are those of `lagMs` ago. `false-offers`: they tell of all nodes, whatever there really is.
 */
export const lies = ['old-view', 'page-lost', 'wrong-status', 'skewed', 'old-offers', 'false-offers'] as const

/**
 * Befalls a gang for good, as it is ordered or in its life. `hidden`: get and list do not show it for `hiddenMs`.
 * `ghost`: they still show it for `ghostMs` once it is gone. `missing`: some of its nodes never come and are not shown.
 * `unbooted`: some never boot and are shown as expected. `slow-boot`, `slow-stop`: it takes `slowMs` longer. `hung`: a
 * rank goes on for ever, and heeds nothing but the end of its grace. `dropped`: a node is taken away, and `told` or no
 * longer shown. `preempted`: all is taken away, `noticeMs` after it was told so. `vanished`: all is gone without a word.
 */
export const fates = [
  'hidden',
  'ghost',
  'missing',
  'unbooted',
  'slow-boot',
  'slow-stop',
  'hung',
  'dropped',
  'preempted',
  'vanished',
] as const
export type Fate = (typeof fates)[number]

/** Befalls a whole site: all that runs there is gone, and until its end nobody answers. */
export const losses = ['lost'] as const

/** All that can go wrong at a simulated provider, by name. */
export const Trouble = z.enum([...refusals, ...deliveries, ...lies, ...fates, ...losses])
export type Trouble = z.infer<typeof Trouble>

/** What may befall which call, where it does not befall all. A fate is met by the launch that it is drawn at. */
const ofOne: Partial<Record<Trouble, readonly CallName[]>> = {
  quota: ['launch'],
  'no-capacity': ['launch'],
  late: ['launch', 'retire'],
  duplicated: ['launch', 'retire'],
  'old-view': ['get', 'list'],
  'page-lost': ['list'],
  'wrong-status': ['get', 'list'],
  skewed: ['get', 'list'],
  'old-offers': ['offers'],
  'false-offers': ['offers'],
}

/** The calls that a trouble may befall; none for what befalls a site. */
export function callsOf(trouble: Trouble): readonly CallName[] {
  if (isOneOf(fates, trouble)) return ['launch']
  if (isOneOf(losses, trouble)) return []
  return ofOne[trouble] ?? CallName.options
}

export const isOneOf = <T extends string>(names: readonly T[], name: string): name is T =>
  (names as readonly string[]).includes(name)
