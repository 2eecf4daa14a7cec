import { mayHold } from '#engine/growing/pools.ts'
import type { Look } from '#engine/placement/look.ts'
import type { Need } from '#engine/placement/need.ts'
import type { Round } from '#engine/placement/round.ts'
import { lacksNodesOnly, ofNodes, type Objection } from '#engine/placement/rules.ts'
import { mayGrow, poolText } from '#model/node-pool.ts'

/** What stands against a candidate, with what its pools say of nodes that are to come: they may cure what it lacks of these. */
export function withPools(objection: Objection, need: Need, { look, round }: { look: Look; round: Round }): Objection {
  const { offer } = look.candidate
  const { pools = [] } = offer
  // A pool grows by its own nodes, and nobody says yet how many of each of several.
  if (look.mix || pools.length === 0 || !ofNodes.has(objection.rule) || !lacksNodesOnly(need, look, round))
    return objection
  const detail = [objection.detail, ...pools.flatMap((pool) => poolText(pool) ?? [])].join('; ')
  const grows = pools.some((pool) => mayGrow(pool) && mayHold(pool, need.spec, offer.shape))
  return { ...objection, detail, ...(grows && { passing: true, grows: true }) }
}
