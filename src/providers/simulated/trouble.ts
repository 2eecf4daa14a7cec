import { z } from 'zod'

/** The calls of a provider, as troubles name them. */
export const CallName = z.enum(['offers', 'launch', 'get', 'list', 'retire', 'logs', 'watch', 'inventory'])
export type CallName = z.infer<typeof CallName>

/** Befalls a call before it has any effect, and is its answer. The first of these that strikes a call is the one. */
export const refusals = ['hanging', 'unreachable', 'denied', 'throttled', 'quota', 'no-capacity'] as const

/** Befalls a call on its way. */
export const deliveries = ['slow', 'late', 'duplicated', 'lost-reply', 'timed-out'] as const

/** Makes an answer untrue. */
export const lies = ['old-view', 'page-lost', 'wrong-status', 'skewed', 'old-offers', 'false-offers'] as const

/** Befalls a gang for good, as it is ordered or in its life. */
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

/** Befalls a whole site. */
export const losses = ['lost'] as const

/** All that can go wrong at a simulated provider, by name. */
export const Trouble = z.enum([...refusals, ...deliveries, ...lies, ...fates, ...losses])
export type Trouble = z.infer<typeof Trouble>

/** What each of them is, in a sentence for the reference. */
export const meanings: Readonly<Record<Trouble, string>> = {
  hanging: 'A call is never answered.',
  unreachable: 'A call does not arrive.',
  denied: 'The credentials are not accepted.',
  throttled: 'The site asks to be called less often.',
  quota: 'The quota there is used up.',
  'no-capacity': 'There is no such node left, whatever the offer says.',
  slow: 'A call takes `slowMs` longer.',
  late: 'The caller hears that nobody answers, and the call takes effect `lateMs` later.',
  duplicated: 'A call takes effect, and once more `lateMs` later; a change that was told is told again.',
  'lost-reply': 'A call takes effect, and its answer is lost.',
  'timed-out': 'A call takes effect, and its answer never comes.',
  'old-view': 'What is shown is what was so `lagMs` ago.',
  'page-lost': 'A list leaves one gang out.',
  'wrong-status': 'A rank is shown as what it is not, or without its exit code.',
  skewed: 'Times are `skewMs` off.',
  'old-offers': 'Offers, and nodes with names, are those of `lagMs` ago.',
  'false-offers': 'Offers, and nodes with names, are told as if nothing had happened to any.',
  hidden: 'A new gang is not shown for `hiddenMs`.',
  ghost: 'A gang is still shown for `ghostMs` once it is gone.',
  missing: 'Some nodes of a gang never come and are not shown.',
  unbooted: 'Some nodes of a gang never boot and are shown as expected.',
  'slow-boot': 'A gang takes `slowMs` longer to come up.',
  'slow-stop': 'A gang takes `slowMs` longer to go, and is paid until then.',
  hung: 'A rank neither ends nor heeds anything but the end of its grace.',
  dropped: 'One node of a gang is taken away, and told or no longer shown.',
  preempted: 'A gang is taken away, `noticeMs` after it was told so, and shown as lost.',
  vanished: 'A gang is gone without a word.',
  lost: 'All that runs at a site is gone, and the site is away.',
}

/** What may befall which call, where it does not befall all. A fate is met by the launch that it is drawn at. */
const ofOne: Partial<Record<Trouble, readonly CallName[]>> = {
  quota: ['launch'],
  'no-capacity': ['launch'],
  late: ['launch', 'retire'],
  duplicated: ['launch', 'retire', 'watch'],
  'old-view': ['get', 'list'],
  'page-lost': ['list'],
  'wrong-status': ['get', 'list'],
  skewed: ['get', 'list'],
  'old-offers': ['offers', 'inventory'],
  'false-offers': ['offers', 'inventory'],
}

/** The calls that a trouble may befall; none for what befalls a site. */
export function callsOf(trouble: Trouble): readonly CallName[] {
  if (isOneOf(fates, trouble)) return ['launch']
  if (isOneOf(losses, trouble)) return []
  return ofOne[trouble] ?? CallName.options
}

export const isOneOf = <T extends string>(names: readonly T[], name: string): name is T =>
  (names as readonly string[]).includes(name)
