import { isPart } from '#model/resources.ts'
import type { BrokenRule } from './problem.ts'
import { rolesOf } from './roles.ts'
import type { Spec } from './spec.ts'
import type { Topology } from './topology.ts'

/** Domains of nodes that are near each other, the tightest first. */
const levels = ['node', 'nvlink', 'block', 'site'] as const
type Level = (typeof levels)[number]

const widthOf = (level: Level): number => levels.indexOf(level)

/** Wishes of which each could be met alone, but not together by any site. */
export function topologyRules(spec: Spec): BrokenRule[] {
  const { topology, nodes } = spec
  if (!topology) return []
  const rules = [
    ...uneven(topology, nodes),
    ...tooMany(topology, nodes),
    ...tooLoose(topology),
    ...notInParts(topology, spec),
    ...notInRoles(topology, spec),
  ]
  return rules.map((rule) => ({ ...rule, path: ['topology', ...rule.path] }))
}

function* uneven({ slices }: Topology, nodes: number): Iterable<BrokenRule> {
  if (!slices || nodes % slices.ranks === 0) return
  const { ranks: size } = slices
  const near = [Math.floor(nodes / size) * size, Math.ceil(nodes / size) * size].filter((count) => count > 0)
  yield {
    path: ['slices', 'ranks'],
    message: `${count(nodes, 'node')} cannot be cut into slices of ${size}`,
    fix: `write nodes: ${near.join(' or nodes: ')}, or slices of another size`,
  }
}

function* tooMany({ within, required, slices, spread }: Topology, nodes: number): Iterable<BrokenRule> {
  if (!spread) return
  const path = ['spread', 'most']
  const { most } = spread
  if (required && nodes > most && widthOf(spread.within) >= widthOf(within))
    yield {
      path,
      message: `all ${nodes} nodes are to be in one ${within}, and at most ${most} in one ${spread.within}`,
      fix: `write most: ${nodes} or more, a tighter level to spread over, or a looser topology.within`,
    }
  if (slices && slices.ranks > most && widthOf(spread.within) >= widthOf(slices.within))
    yield {
      path,
      message: `a slice holds ${slices.ranks} ranks in one ${slices.within}, and at most ${most} are to be in one ${spread.within}`,
      fix: `write most: ${slices.ranks} or more, or smaller slices`,
    }
}

function* tooLoose({ balanced, slices, spread, exclusive, spares }: Topology): Iterable<BrokenRule> {
  if (!balanced) return
  const others: [path: string[], level: Level | undefined][] = [
    [['slices', 'within'], slices?.within],
    [['spread', 'within'], spread?.within],
    [['exclusive'], exclusive],
    [['spares', 'within'], spares?.within],
  ]
  for (const [path, level] of others)
    if (level && widthOf(level) > widthOf(balanced))
      yield {
        path,
        message: `${level} is wider than ${balanced}, over which the ranks are balanced`,
        fix: `write ${balanced} or a tighter level, or balanced: ${level}`,
      }
}

/** What ranks that stand one after another, each where it wastes the least, do not know; and what contradicts a part. */
const notOfParts = {
  slices: 'ranks with a part of an accelerator know only topology.within',
  balanced: 'ranks with a part of an accelerator know only topology.within',
  spread: 'ranks with a part of an accelerator know only topology.within',
  exclusive: 'a part of an accelerator is had beside others, and these may not be in the domain',
  spares: 'spare nodes are kept whole, and ranks with a part of an accelerator share theirs',
} as const

function* notInParts(topology: Topology, spec: Spec): Iterable<BrokenRule> {
  if (!rolesOf(spec).some(({ resources }) => resources.accelerators.some(isPart))) return
  for (const field of ['slices', 'balanced', 'spread', 'exclusive', 'spares'] as const)
    if (topology[field])
      yield {
        path: [field],
        message: notOfParts[field],
        fix: `remove topology.${field}, or ask for whole accelerators`,
      }
}

/** Several roles are one group that is placed together: what counts ranks of one kind does not speak of them. */
function* notInRoles({ within, required, exclusive, ...others }: Topology, spec: Spec): Iterable<BrokenRule> {
  if (rolesOf(spec).length === 1) return
  for (const field of ['slices', 'balanced', 'spread', 'spares'] as const)
    if (others[field])
      yield {
        path: [field],
        message: 'several roles know only topology.within and topology.exclusive',
        fix: `remove topology.${field}, or run it as a job without roles`,
      }
  if (exclusive && (!required || widthOf(exclusive) < widthOf(within)))
    yield {
      path: ['exclusive'],
      message: `several roles need one ${exclusive} that holds them all`,
      fix:
        exclusive === 'node' ? 'write exclusive: nvlink, and within: nvlink' : `write within: ${exclusive}, required`,
    }
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
