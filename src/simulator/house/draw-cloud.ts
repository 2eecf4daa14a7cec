import { callsOf, type Trouble } from '#providers/simulated/trouble.ts'
import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import { shape } from './shape.ts'
import type { Story } from './story.ts'

export function siteOf(draw: Draw, i: number, { nodes, profiles, unrest }: Measure): Story['cloud']['sites'][number] {
  const most = draw.between(...nodes)
  return {
    name: `site-${i}`,
    jurisdictions: ['DE', 'EU'],
    patienceMs: draw.of([10_000, 30_000, 60_000]),
    pools: [
      { tier: draw.of(['on-demand', 'spot']), shape, priceMicros: draw.between(100_000, 5_000_000), nodes: most },
      // The same machines in another tier.
      ...(draw.chance(0.15) ? [{ tier: 'reserved' as const, shape, priceMicros: 1_000_000, nodes: 2 }] : []),
    ],
    ...(draw.chance(0.15 * unrest) && { quota: draw.between(0, most) }),
    ...(draw.chance(0.1) && { upWithinMs: draw.of([90_000, 150_000]) }),
    ...(draw.chance(profiles) && { profile: draw.of(profileNames) }),
    ...(draw.chance(0.1 * unrest) && {
      faults: { limits: { list: { perSecond: 1, burst: 3 }, launch: { perSecond: 1, burst: 2 } } },
    }),
  }
}

const profileNames = ['aws', 'azure', 'gcp', 'oci', 'coreweave', 'kubernetes', 'slurm', 'local'] as const

export const paceOf = (draw: Draw, { unrest }: Measure): NonNullable<Story['cloud']['faults']> => ({
  callMs: [0, draw.of([0, 50, 900])],
  bootMs: [500, draw.of([1_000, 20_000, 60_000])],
  stopMs: [0, draw.of([100, 5_000])],
  teardownMs: [0, draw.of([100, 10_000])],
  hiddenMs: [0, draw.of([0, 5_000])],
  ghostMs: [0, draw.of([0, 5_000])],
  preemptionsPerHour: draw.of([0, 0, 0, 2, 20]) * unrest,
  noticeMs: [0, draw.of([0, 2_000, 40_000, 120_000])],
  retryAfterMs: [0, draw.of([0, 2_000, 20_000])],
  told: draw.of([1, 0.5]),
  machines: draw.chance(0.2),
  ...(draw.chance(0.2 * unrest) && { slowMs: [1_000, 200_000] }),
  // What ended so long ago may be ordered again by a call that comes late.
  ...(draw.chance(0.1 * unrest) && { rememberedMs: draw.of([0, 20_000]) }),
  ...(draw.chance(0.1 * unrest) && {
    swings: { everyMs: draw.of([20_000, 120_000]), nodes: [20, 100], price: [50, 200] },
  }),
})

/** Every trouble that ceases by itself when its window is over. */
export const troubles = [
  'hidden',
  'ghost',
  'hanging',
  'unreachable',
  'throttled',
  'denied',
  'quota',
  'no-capacity',
  'slow',
  'late',
  'duplicated',
  'lost-reply',
  'timed-out',
  'old-view',
  'page-lost',
  'wrong-status',
  'skewed',
  'old-offers',
  'false-offers',
  'slow-boot',
  'slow-stop',
  'hung',
  'dropped',
  'preempted',
  'vanished',
  'missing',
  'unbooted',
] as const satisfies Trouble[]

type Span = Pick<Measure, 'troubleMs'> & { calmAt: number }

export function troubleOf(draw: Draw, sites: string[], { calmAt, troubleMs }: Span): Story['troubles'][number] {
  const trouble = draw.of(troubles)
  // These two are drawn apart (`draw-watches.ts`, `draw-nodes.ts`).
  const calls = callsOf(trouble).filter((call) => call !== 'watch' && call !== 'inventory')
  const fromMs = draw.between(0, calmAt / 2)
  return {
    trouble,
    ...(draw.chance(0.6) && { site: draw.any(sites, 'site-0') }),
    ...(calls.length > 1 && draw.chance(0.5) && { calls: [draw.any(calls, 'list')] }),
    share: draw.of([0.02, 0.1, 0.3, 0.8]),
    fromMs,
    toMs: draw.between(fromMs, Math.min(calmAt, fromMs + troubleMs)),
  }
}
