import { lastBucket } from '#engine/cell/buckets.ts'
import { catchUp } from '#engine/cell/form.ts'
import { largestFree } from '#engine/cell/heads.ts'

import type { Ask } from '#engine/cell/ask.ts'
import type { Refusal, Reservation, Way } from './request.ts'

/**
 * Tells by counts alone whether a request may have room now, or would have it if so many nodes more were free; when it says
 * no, it has none.
 */
export function mayFit(ask: Ask, more = 0): boolean {
  if (ask.isImpossible) return false
  if (ask.kind === 'task') return more > 0 || taskMayFit(ask)
  if (ask.kind === 'gang') return mayHold(ask, ask.units, more)
  return ask.roles.every(({ form, ranks }) => mayHold({ ...ask, form }, ranks, more))
}

function mayHold(ask: Ask, needs: number, more: number): boolean {
  const { form, kind, loosest } = ask
  const free = largestFree(ask, loosest)
  if (free >= needs || more === 0) return free >= needs
  // One node may open a whole domain where rules hold, or where accelerators are shared.
  return form.isRuled || kind === 'shared' || free + more * (form.layers[0]?.most ?? 0) >= needs
}

/** At least so many nodes have to come free before a request has room; 0 where counts do not tell. */
export function nodesLacking(ask: Ask): number {
  const { cell, form, kind, loosest, units } = ask
  // One node may open a whole domain where rules hold, or where accelerators are shared.
  if (kind !== 'gang' || form.isRuled || cell.sharing) return 0
  const lacking = units - largestFree(ask, loosest)
  return lacking > 0 ? lacking / (form.layers[0]?.most ?? 0) : 0
}

/** By the scarcest resource that it needs: single tasks have no counts for each of their sizes. */
function taskMayFit({ lead, need }: Ask): boolean {
  catchUp(lead, 1)
  const [layer] = lead.layers
  if (!layer) return false
  const { buckets, units } = layer
  if (buckets) return lastBucket(buckets) >= need >>> buckets.shift
  for (const able of units) if (able >= need && able > 0) return true
  return false
}

/** What lacks room: of these ways the one in which a domain that may hold it has the most. */
export function noRoom(ways: readonly Way[], promisedIn: (cell: number) => Reservation | null): Refusal {
  const rooms = ways.map(({ number, cell, ask }) => {
    const fence = promisedIn(cell)
    const reservedFor = fence?.shut.length ? fence.request.id : null
    return { option: number, cell, largest: roomFor(ask), needs: ask.units, reservedFor }
  })
  return { cause: 'room', ...rooms.reduce((a, b) => (b.largest > a.largest ? b : a)) }
}

const roomFor = (ask: Ask): number => (ask.kind === 'task' ? 0 : largestFree(ask, ask.loosest))
