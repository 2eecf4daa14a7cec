import { createHeap } from '#kit/heap.ts'
import { costMicros } from '#kit/money.ts'
import type { Sighting } from '#providers/provider.ts'
import { endOfBill, type Gang, heldFrom, leavesListAt, nextChangeOf, sightingOf } from './gang.ts'

/** A line of the provider's own bill: what a gang cost from when its nodes were held to its end (to now, while it is open). */
export type BillLine = {
  token: string
  site: string
  workload: string
  attempt: number
  nodes: number
  priceMicros: number
  from: number
  to: number
  open: boolean
  micros: bigint
}

/** The gangs of one site, the nodes that they use and what they cost. */
export type Books = {
  /** Gangs that get and list may still show, or have shown so lately that an old view still would. */
  readonly gangs: ReadonlyMap<string, Gang>
  /** When the gang of a token ended; a late launch finds here that its token has been used up. */
  readonly closed: ReadonlyMap<string, number>
  /** Nodes in use, in the order of the pools. */
  readonly used: readonly number[]
  add(gang: Gang): void
  /** To be told when the times of a gang have changed. */
  changed(gang: Gang): void
  /** What get and list show of a gang, which most of them show again and again. */
  shown(gang: Gang, now: number): Sighting | null
  /** Ends all that ends by now; it costs the time of one look for each of these, however many others there are. */
  settle(now: number): void
  /** All that is there ends now. */
  lose(now: number): void
  bill(now: number): BillLine[]
}

/** A sighting, and the instants for which it holds. */
type Shown = { from: number; until: number; sighting: Sighting | null }

type Options = {
  site: string
  pools: number
  /** How long a gang is remembered that left the listings. */ keptMs: number
}

export function createBooks({ site, pools, keptMs }: Options): Books {
  const gangs = new Map<string, Gang>()
  const closed = new Map<string, number>()
  const bills: BillLine[] = []
  const used = Array.from({ length: pools }, () => 0)
  const shownOf = new WeakMap<Gang, Shown>()
  const due = createHeap<{ at: number; token: string }>((a, b) => a.at < b.at)

  const look = (gang: Gang, now: number): void => {
    const end = endOfBill(gang)
    if (!gang.closed && end <= now) {
      gang.closed = true
      count(used, gang, -1)
      closed.set(gang.token, end)
      bills.push(billLine(site, gang, { to: end, open: false }))
    }
    if (gang.closed && leavesListAt(gang) + keptMs <= now) gangs.delete(gang.token)
  }
  const changed = (gang: Gang): void => {
    shownOf.delete(gang)
    for (const at of new Set([endOfBill(gang), leavesListAt(gang) + keptMs]))
      if (at < Infinity) due.push({ at, token: gang.token })
  }

  return {
    gangs,
    closed,
    used,
    changed,
    add(gang) {
      gangs.set(gang.token, gang)
      count(used, gang, 1)
      changed(gang)
    },
    shown(gang, now) {
      const known = shownOf.get(gang)
      if (known && known.from <= now && now < known.until) return known.sighting
      const sighting = sightingOf(gang, now)
      shownOf.set(gang, { from: now, until: nextChangeOf(gang, now), sighting })
      return sighting
    },
    settle(now) {
      for (let first = due.peek(); first && first.at <= now; first = due.peek()) {
        due.pop()
        const gang = gangs.get(first.token)
        if (gang) look(gang, now)
      }
    },
    lose(now) {
      for (const gang of gangs.values()) {
        gang.takenAt = Math.min(gang.takenAt, now)
        gang.erasedAt = Math.min(gang.erasedAt, now)
        look(gang, now)
        changed(gang)
      }
    },
    bill(now) {
      const open = [...gangs.values()].filter((gang) => !gang.closed)
      return [...bills, ...open.map((gang) => billLine(site, gang, { to: now, open: true }))]
    },
  }
}

function billLine(site: string, gang: Gang, { to, open }: Pick<BillLine, 'to' | 'open'>): BillLine {
  const { token, workload, attempt, ranks: nodes, priceMicros } = gang
  const from = Math.min(heldFrom(gang), to)
  const micros = costMicros(BigInt(priceMicros), to - from)
  return { token, site, workload, attempt, nodes, priceMicros, from, to, open, micros }
}

/** Adds the nodes of a gang to those in use, or takes them away. */
function count(used: number[], { pool, pools, ranks }: Gang, sign: 1 | -1): void {
  if (!pools) used[pool] = (used[pool] ?? 0) + sign * ranks
  for (const one of pools ?? []) used[one] = (used[one] ?? 0) + sign
}
