import type { Instant } from '#kit/clock.ts'

/** What a site has shown of how it takes orders: how many at once, and how long each may take. */
export type Pace = {
  /** So many may be under way there; a fraction counts once it is whole. */
  room: number
  underWay: number
  /** About the least time an order takes there, and about the most. */
  quickMs: number
  slowMs: number
  /** When its room was last cut: what began before that tells nothing of what is left. */
  cutAt: Instant
}

/**
 * An order under way, and how long it may take. `alone`: no other was when it began. `pressed`: it filled the room, so that
 * its answer tells whether there could be more.
 */
export type Begun = { at: Instant; alone: boolean; pressed: boolean; mostMs: number }

const room = { first: 8, most: 64 }
/** An order gets so many times as long as the slowest one lately, within these bounds. */
const patience = { times: 3, leastMs: 6_000, mostMs: 30_000 }
/** A site that takes more than so many times as long as it can, and this on top, has too much to do. */
const crowded = { times: 2, slackMs: 250 }

export const freshPace = (): Pace => ({
  room: room.first,
  underWay: 0,
  quickMs: Infinity,
  slowMs: 0,
  cutAt: -Infinity,
})

/** How many orders may begin now. */
export const roomLeft = (pace: Pace): number => Math.max(0, Math.floor(pace.room) - pace.underWay)

/** How long an order, or anything else that is asked there, may take that begins now. */
export const orderMs = ({ slowMs }: Pick<Pace, 'slowMs'>): number =>
  Math.min(patience.mostMs, Math.max(patience.leastMs, patience.times * slowMs))

/** What is the slowest lately once something took so long, in ms: slower ones are forgotten by and by. */
export const slowest = ({ slowMs }: Pick<Pace, 'slowMs'>, tookMs: number): number => Math.max(tookMs, slowMs * 0.9)

/** Begins so many orders at once. */
export function begin(pace: Pace, count: number, at: Instant): Begun {
  pace.underWay += count
  return { at, alone: pace.underWay === 1, pressed: roomLeft(pace) === 0, mostMs: orderMs(pace) }
}

/**
 * Takes in whether an order was answered. While a full room is answered as quickly as ever there is one more place for each
 * answer: it doubles from round to round. A site that is slower than it can be, asks to be called less often or does not
 * answer is left half of its room, once for all orders that were under way. So a site of any speed is kept busy, and none
 * is asked for more at once than it can do within the time of an order.
 */
export function heard(
  pace: Pace,
  { at, alone, pressed }: Begun,
  { now, answered }: { now: Instant; answered: boolean },
): void {
  const tookMs = now - at
  pace.slowMs = slowest(pace, tookMs)
  // Of a site that has become slower for good, one that was alone there tells it: in a room for one that is each of them.
  if (answered) pace.quickMs = alone ? tookMs : Math.min(tookMs, pace.quickMs)
  if (at < pace.cutAt) return
  const isCrowded = !answered || tookMs > crowded.times * pace.quickMs + crowded.slackMs
  if (isCrowded) {
    pace.room = Math.max(1, pace.room / 2)
    pace.cutAt = now
  } else if (pressed) pace.room = Math.min(room.most, pace.room + 1)
}
