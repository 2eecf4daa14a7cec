import { catchUp } from '#engine/cell/form.ts'
import { largestEmpty, largestFree } from '#engine/cell/heads.ts'
import { slotsWhenEmpty } from '#engine/cell/nodes.ts'
import { nodeForTask } from '#engine/cell/tasks.ts'
import { askOf, type Ask } from '#engine/cell/ask.ts'

import { gangOf } from './gang.ts'
import type { Look } from './look.ts'
import type { Need } from './need.ts'

/** What is asked of the cell, made ready once a round. */
export const askAt = (need: Need, look: Look): Ask =>
  (look.ask ??= askOf(look.candidate.ground.cell, gangOf(need, look, false)))

/** Ranks of a gang that one domain of a level can take now, as far as that tells whether it fits. */
export function roomNow(ask: Ask, level: number): number {
  if (ask.kind === 'task') return hasRoomForOne(ask) ? 1 : 0
  return ranksOf(ask, (role) => largestFree(role, level))
}

/** … and could take if all were free and usable. Of one rank without rules no domain has to be counted. */
export function roomWhenEmpty(ask: Ask, level: number): number {
  const { cell, size } = ask
  if (ask.kind === 'task') return cell.classes.some((_, c) => slotsWhenEmpty(cell, c, size) > 0) ? 1 : 0
  if (ask.roles.length > 1 && level < cell.tree.levels - 1) return mostTogether(ask, level)
  return ranksOf(ask, (role) => largestEmpty(role, level))
}

/** Ranks of several roles that one domain of a level could take, each role counted for itself there. */
function mostTogether({ cell, roles }: Ask, level: number): number {
  const starts = cell.tree.nodes[level] ?? new Int32Array()
  const slotsOf = roles.map(({ size }) => cell.classes.map((_, one) => slotsWhenEmpty(cell, one, size)))
  let most = 0
  for (let domain = 0; domain + 1 < starts.length; domain++) {
    const rooms = roles.map(() => 0)
    for (let node = starts[domain] ?? 0; node < (starts[domain + 1] ?? 0); node++)
      for (const [i, slots] of slotsOf.entries()) rooms[i] = (rooms[i] ?? 0) + (slots[cell.classOf[node] ?? 0] ?? 0)
    const ranks = rooms.reduce((sum, room, i) => sum + Math.min(room, roles[i]?.ranks ?? 0), 0)
    if (ranks > most) most = ranks
  }
  return most
}

/** Several roles are counted each for itself: so the sum may be there and yet no place for them together. */
function ranksOf(ask: Ask, count: (role: Ask) => number): number {
  if (ask.roles.length > 1)
    return ask.roles.reduce((sum, { form, ranks }) => sum + Math.min(ranks, count({ ...ask, form })), 0)
  return count(ask) * (ask.ranks / ask.units)
}

function hasRoomForOne(ask: Ask): boolean {
  catchUp(ask.lead, 1)
  return nodeForTask(ask) !== -1
}
