import type { GangRequest } from '#engine/cell/ask.ts'
import type { NodeClass } from '#engine/cell/cell.ts'
import { domainAt } from '#engine/cell/tree.ts'
import type { Line } from '#engine/queue/line.ts'
import type { Amounts } from '#engine/queue/quota.ts'
import type { Want } from '#engine/queue/request.ts'
import type { Place } from '#engine/sharing/devices.ts'

import type { LiveLease } from '#model/live-lease.ts'
import { countable, levelOf, oneUnit, type Ground, type Market } from './market.ts'
import { heldId } from './preempting.ts'
import { heldBy, withSpares, type Round } from './round.ts'
import { isAlike, portionOf, sizeNames } from './part.ts'
import { resourceNames } from './slice.ts'

/** A gang never counts more ranks than this. */
const ranksAtMost = 1_000_000

/**
 * Those `apart` are told by others. `asTheyStand`: who is moved must find nodes of the same kind, and as close together.
 */
type Adopting = { apart: ReadonlySet<LiveLease>; asTheyStand: boolean }

/**
 * Tells the line of all leases: rank by rank on the nodes that they are on, also where these no longer hold as much. What
 * is on nodes that the site does not tell of counts against quotas and shares only. Under which names each stands there.
 */
export function adoptAll(line: Line, round: Round, { apart, asTheyStand }: Adopting): Map<string, string[]> {
  const { market, leases, now } = round
  const wants = new Map<string, Want>()
  const names = new Map<string, string[]>()
  for (const lease of leases.filter((one) => !apart.has(one))) {
    const own: string[] = []
    names.set(lease.id, own)
    for (const [i, ground] of groundsOf(lease, market).entries())
      for (const [j, { times, ends }] of inParts(lease).entries()) {
        const found = standingOf(lease, times, { ground, elsewhere: market.elsewhere })
        const standing = asTheyStand ? asItStands(found) : found
        // What counts against every offer of a site counts once for its project.
        const amounts = i === 0 ? heldBy({ ...lease, times }, round) : {}
        const want = wantOf(wants, lease, { ...standing, amounts })
        const request = { id: heldId(lease, i, j), want, since: 0, lastsMs: Infinity, work: lease.workload }
        own.push(request.id)
        const { nodes, devices } = standing
        const { since, leaves } = lease
        line.adopt(request, { option: 0, ranks: nodes, spares: [], devices, ends, since, leaves }, now)
      }
  }
  return names
}

/** The one where its nodes are; without names, that of its offer. */
function groundsOf({ provider, site, tier, shape }: LiveLease, { candidates, namedAt, elsewhere }: Market): Ground[] {
  const key = `${provider}/${site}`
  const known = namedAt.get(key)
  if (known) return [known]
  const found = candidates
    .filter(
      ({ siteKey, offer }) =>
        siteKey === key && offer.tier === tier && (shape ?? offer.shape.name) === offer.shape.name,
    )
    .map(({ ground }) => ground)
  return found.length > 0 ? [...new Set(found)] : [elsewhere]
}

/** Those whose end is known one by one; of the others nobody knows who ends first. */
function inParts({ times = 1, ends, endsAt, ranks }: LiveLease): { times: number; ends: number }[] {
  const known = (ends ?? (typeof endsAt === 'number' ? [endsAt] : [])).slice(0, times)
  const parts = known.map((end) => ({ times: 1, ends: end }))
  const most = Math.max(1, Math.floor(ranksAtMost / Math.max(1, ranks.length)))
  for (let rest = times - known.length; rest > 0; rest -= most)
    parts.push({ times: Math.min(rest, most), ends: Infinity })
  return parts
}

type Standing = { ground: Ground; gang: GangRequest; nodes: number[]; devices?: (Place | null)[] }

function standingOf(
  lease: LiveLease,
  times: number,
  { ground, elsewhere }: { ground: Ground; elsewhere: Ground },
): Standing {
  const found = ground.names ? onNodes(ground, lease, times) : null
  if (found) return found
  const at = ground.names ? elsewhere : ground
  const ranks = Math.max(1, lease.ranks.length * times)
  const nodes = Array.from({ length: ranks }, (_, i) => nodeOfUnit(at, at.taken + i))
  at.taken += ranks
  return { ground: at, gang: { roles: [{ size: oneUnit, ranks }] }, nodes }
}

/** Nodes without names are filled one after another; what is more than there is stands on the last one. */
const nodeOfUnit = ({ cell, unitsPerNode }: Ground, unit: number): number =>
  Math.min(cell.classOf.length - 1, Math.floor(unit / unitsPerNode))

/** Null where it stands on no node that the site tells of. What its spare nodes are kept for stands there. */
function onNodes(ground: Ground, lease: LiveLease, times: number): Standing | null {
  const roles: GangRequest['roles'] = []
  const nodes: number[] = []
  const devices: (Place | null)[] = []
  for (const rank of withSpares(lease)) {
    const node = ground.numberOf.get(rank.node ?? '')
    const { part } = rank
    if (node === undefined || (!part && resourceNames.every((name) => rank[name] <= 0))) continue
    const size = { ...countable(rank), ...portionOf(part) }
    const last = roles.at(-1)
    if (last && isAlike(last.size, size)) last.ranks += times
    else roles.push({ size, ranks: times })
    for (let n = 0; n < times; n++) {
      nodes.push(node)
      devices.push(part ? { device: part.device, start: part.start ?? 0 } : null)
    }
  }
  if (roles.length === 0) return null
  const exclusive = lease.beside?.exclusive && levelOf(ground, lease.beside.exclusive)
  // Several roles with domains of their own stand in one of them.
  const gang = { roles, ...(exclusive !== undefined && { exclusive, within: { level: exclusive } }) }
  return { ground, gang, nodes, devices }
}

/** What it asks for if it had to start elsewhere in its cell: nobody reads the specs of all that runs. */
function asItStands(standing: Standing): Standing {
  const { gang, nodes, ground } = standing
  const { tree, classes, classOf } = ground.cell
  let level = 0
  while (new Set(nodes.map((node) => domainAt(tree, node, level))).size > 1) level++
  let rank = 0
  const roles = gang.roles.map(({ size, ranks }) => {
    const own = nodes.slice(rank, (rank += ranks))
    const kinds = new Set(own.map((node) => classes[classOf[node] ?? 0]))
    return { size: { ...size, allows: (node: NodeClass) => kinds.has(node) }, ranks }
  })
  return { ...standing, gang: { ...gang, roles, within: { level: Math.max(level, gang.within?.level ?? 0) } } }
}

/** Leases that hold the same share one want, which is made ready once. */
function wantOf(
  wants: Map<string, Want>,
  { project, priority = 0 }: LiveLease,
  { ground, gang, amounts }: Pick<Standing, 'ground' | 'gang'> & { amounts: Amounts },
): Want {
  const { number: cell, cell: site } = ground
  const sizes = gang.roles.map(({ size, ranks }) =>
    [ranks, ...sizeNames.map((name) => size[name]), ...(size.allows ? site.classes.map(size.allows) : [])].join(' '),
  )
  const rules = `${gang.exclusive ?? ''} ${gang.within?.level ?? ''}`
  const key = `lease ${project} ${priority} ${cell} ${JSON.stringify(amounts)} ${rules} ${sizes.join(', ')}`
  const known = wants.get(key) ?? { key, project, priority, options: [{ cell, gang, amounts }] }
  wants.set(key, known)
  return known
}
