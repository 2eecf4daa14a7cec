import { mayHold } from '#engine/growing/pools.ts'
import type { Need } from '#engine/placement/need.ts'
import type { Objection } from '#engine/placement/rules.ts'
import { mayGrow, poolText } from '#model/node-pool.ts'
import type { Offer } from '#model/offer.ts'

/** The rules that more nodes may satisfy. */
const ofNodes: ReadonlySet<string> = new Set(['topology', 'capacity'])

/** What stands against a candidate, with what its pools say of nodes that are to come: time may cure what it lacks of these. */
export function withPools(objection: Objection, need: Need, offer: Offer): Objection {
  const { pools = [] } = offer
  if (pools.length === 0 || !ofNodes.has(objection.rule)) return objection
  const words = pools.flatMap((pool) => poolText(pool) ?? [])
  return {
    ...objection,
    detail: [objection.detail, ...words].join('; '),
    passing: objection.passing || pools.some((pool) => mayGrow(pool) && mayHold(pool, need.spec, offer.shape)),
  }
}
