import { noRules } from './cell.ts'
import { formOf, leadFormOf } from './form.ts'
import { leadOf, sizeOf } from './sizes.ts'

import type { Cell, Form, Rules } from './cell.ts'
import type { RankSize } from './sizes.ts'

/** What somebody wants, held whole or not at all. Levels are those of the cell's tree: 0 is the node. */
export type GangRequest = {
  /** Ranks of one size after another. Several roles stand in one domain together (a leader and its workers). */
  roles: { size: RankSize; ranks: number }[]
  /** The loosest level of which one domain must hold all of it. When only preferred, the tightest that can is taken. */
  within?: { level: number; preferred?: boolean } | undefined
  /** Ranks in slices of so many; each slice in one domain of this level. */
  slices?: { level: number; ranks: number } | undefined
  /** Over the fewest domains of this level, and over these as evenly as they allow. */
  balanced?: number | undefined
  /** At most so many ranks in one domain of this level. */
  spread?: { level: number; most: number } | undefined
  /** Nobody else in any domain of this level that it uses, as long as it is held. */
  exclusive?: number | undefined
  /** So many ranks more are held free in each domain of this level that it uses, for `replace` to take first. */
  spares?: { level: number; count: number } | undefined
}

export type Role = { size: number; ranks: number; form: Form }

/** A request made ready for one cell; it may be taken as often as wanted. */
export type Ask = {
  kind: 'task' | 'gang' | 'group' | 'shared'
  cell: Cell
  roles: Role[]
  /** The first role's form and size, and the ranks of all roles. */
  form: Form
  size: number
  ranks: number
  /** What is looked for: ranks, or slices. */
  units: number
  /** The levels whose domains may hold it. */
  lowest: number
  loosest: number
  rules: Rules
  balanced: number
  /** More ranks must be in one place than rules allow there. */
  isImpossible: boolean
  /** For tasks: the nodes by the resource they are searched by, and how much of it is needed. */
  lead: Form
  need: number
  /** The domain found last. */
  level: number
  domain: number
}

/** Makes a request ready: works out once which nodes may be taken and what is to be counted. Throws on nonsense. */
export function askOf(cell: Cell, request: GangRequest): Ask {
  const loosest = request.within && !request.within.preferred ? request.within.level : cell.tree.levels - 1
  const ranks = request.roles.reduce((sum, role) => sum + role.ranks, 0)
  mustBeSound(cell, request, { loosest, ranks })
  const rules = rulesOf(request, { loosest, ranks })
  const roles = request.roles.map((role) => {
    const size = sizeOf(cell, role.size)
    return { size, ranks: role.ranks, form: formOf(cell, size, request.roles.length > 1 ? noRules : rules) }
  })
  const [first] = roles
  if (!first) throw new RangeError('a gang needs a role')
  const isShared = roles.some((role) => cell.sizes.share[role.size] !== 0)
  const lowest = Math.max(0, rules.sliceLevel, rules.spareLevel, rules.spreadLevel, rules.exclusiveLevel)
  const isWhole = cell.sizes.whole[first.size] === 1
  const lead = isWhole ? 'accelerators' : leadOf(cell, first.size)
  return {
    kind: isShared
      ? 'shared'
      : roles.length > 1
        ? 'group'
        : ranks === 1 && !first.form.isRuled && !isWhole
          ? 'task'
          : 'gang',
    cell,
    roles,
    form: first.form,
    size: first.size,
    ranks,
    units: rules.sliceLevel >= 0 ? ranks / rules.sliceRanks : ranks,
    lowest: isShared ? (request.within?.level ?? loosest) : roles.length > 1 ? 0 : lowest,
    loosest,
    rules,
    balanced: request.balanced ?? -1,
    isImpossible: rules.spreadLevel > loosest,
    lead: isShared ? first.form : leadFormOf(cell, sizeOf(cell, { [lead]: 1, allows: request.roles[0]?.size.allows })),
    need: request.roles[0]?.size[lead] ?? 0,
    level: 0,
    domain: 0,
  }
}

type Extent = { loosest: number; ranks: number }

function rulesOf({ slices, spread, exclusive, spares }: GangRequest, { loosest, ranks }: Extent): Rules {
  return {
    ...noRules,
    ...(slices && { sliceLevel: Math.min(slices.level, loosest), sliceRanks: slices.ranks }),
    ...(spread && ranks > spread.most && { spreadLevel: spread.level, spreadMost: spread.most }),
    ...(spares && spares.count > 0 && { spareLevel: spares.level, spares: spares.count }),
    ...(exclusive !== undefined && { exclusiveLevel: exclusive }),
  }
}

function mustBeSound(cell: Cell, request: GangRequest, { loosest, ranks }: Extent): void {
  const { roles, within, slices, balanced, spread, exclusive, spares } = request
  const counts = [...roles.map((role) => role.ranks), slices?.ranks ?? 1, (spares?.count ?? 0) + 1, spread?.most ?? 1]
  must(
    counts.every((n) => Number.isInteger(n) && n > 0 && n <= 1_000_000),
    'a count must be from 1 to 1,000,000',
  )
  const levels = [within?.level, slices?.level, balanced, spread?.level, exclusive, spares?.level]
  const isLevel = (level = 0) => Number.isInteger(level) && level >= 0 && level < cell.tree.levels
  must(levels.every(isLevel), `a level must be from 0 to ${cell.tree.levels - 1}`)
  must(!slices || ranks % slices.ranks === 0, 'slices must divide the ranks')
  must((spares?.level ?? 1) > 0, 'spare ranks are kept in domains, not in nodes')
  const ruled = [slices?.level ?? 0, spread?.level ?? 0, exclusive ?? 0, spares?.level ?? 0]
  must(balanced === undefined || ruled.every((l) => l <= balanced), 'no rule may be looser than the balanced level')
  const isShared = roles.some(({ size }) => size.share !== undefined || size.profile !== undefined)
  const isRuled = [slices, balanced, spread, exclusive, spares].some((rule) => rule !== undefined)
  must(!isShared || !isRuled, 'ranks that share accelerators go together with `within` only')
  must(!isShared || !roles.some(({ size }) => size.whole), 'ranks that share accelerators go beside no whole nodes')
  if (roles.length === 1) return
  const others = slices ?? balanced ?? spread ?? spares
  must(others === undefined, 'several roles go together with `within` and `exclusive` only')
  must((exclusive ?? loosest) >= loosest, 'several roles need an exclusive domain that holds them all')
}

function must(holds: boolean, rule: string): void {
  if (!holds) throw new RangeError(rule)
}
