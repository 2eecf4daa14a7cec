import { noRules } from './cell.ts'
import { descend } from './descend.ts'
import { catchUp } from './form.ts'
import { grown } from './grown.ts'
import { occupy, touch, vacate } from './nodes.ts'
import { packExactly } from './pack-exactly.ts'
import { ancestorOf } from './tree.ts'

import type { Ask, Role } from './ask.ts'
import type { Cell } from './cell.ts'

type Outcome = 'placed' | 'full' | 'unproven'

/** Domains that are searched in all ways before we say that we do not know. */
const searchesAtMost = 200

/**
 * Finds the tightest domain that holds several roles of different sizes together, and writes their nodes to
 * `cell.chosen`, role after role. In each domain that has room for each role alone, the roles are placed largest first;
 * where that fails, all ways are tried, up to a bound.
 */
export function placeGroup(ask: Ask): Outcome {
  const { cell } = ask
  while (cell.chosen.length < ask.ranks) cell.chosen = grown(cell.chosen)
  let [searches, isProven] = [0, true]
  for (let level = 0; level <= ask.loosest; level++)
    for (const domain of candidates(ask, level)) {
      ask.level = level
      ask.domain = domain
      if (largestFirst(ask)) return 'placed'
      const outcome = searches++ < searchesAtMost ? packExactly(ask) : 'unproven'
      if (outcome === 'placed') return 'placed'
      if (outcome === 'unproven') isProven = false
    }
  return isProven ? 'full' : 'unproven'
}

/** Domains with room for each role, those with the least left over first. */
function candidates({ cell, roles, rules }: Ask, level: number): number[] {
  const room = ({ form }: Role, domain: number) => form.layers[level]?.units[domain] ?? 0
  const left = (domain: number) => roles.reduce((sum, role) => sum + room(role, domain) - role.ranks, 0)
  const fitting: number[] = []
  for (const { form } of roles) catchUp(form, cell.tree.levels)
  for (let domain = 0; domain < (cell.tree.counts[level] ?? 0); domain++) {
    if (!roles.every((role) => room(role, domain) >= role.ranks)) continue
    const to = rules.exclusiveLevel
    if (to < 0 || isEmpty(cell, to, ancestorOf(cell.tree, domain, { level, to }))) fitting.push(domain)
  }
  return fitting.sort((a, b) => left(a) - left(b) || a - b)
}

function isEmpty({ tree, tenants }: Cell, level: number, domain: number): boolean {
  const starts = tree.nodes[level] ?? new Int32Array()
  for (let node = starts[domain] ?? 0; node < (starts[domain + 1] ?? 0); node++) if (tenants[node] !== 0) return false
  return true
}

function largestFirst(ask: Ask): boolean {
  const { cell, roles } = ask
  const found = new Int32Array(ask.ranks)
  const placed: { node: number; size: number }[] = []
  for (const role of roles.toSorted((a, b) => weight(cell, b) - weight(cell, a))) {
    catchUp(role.form, cell.tree.levels)
    if ((role.form.layers[ask.level]?.units[ask.domain] ?? 0) < role.ranks) break
    descend({ ...ask, form: role.form, units: role.ranks, ranks: role.ranks, rules: noRules, balanced: -1 })
    const at = roles.slice(0, roles.indexOf(role)).reduce((sum, { ranks }) => sum + ranks, 0)
    found.set(cell.chosen.subarray(0, role.ranks), at)
    for (const node of found.subarray(at, at + role.ranks)) {
      occupy(cell, node, role.size)
      touch(cell, node)
      placed.push({ node, size: role.size })
    }
  }
  // This was to see whether it fits; the gang is taken only when all of it does.
  for (const { node, size } of placed) {
    vacate(cell, node, size)
    touch(cell, node)
  }
  if (placed.length < ask.ranks) return false
  cell.chosen.set(found)
  return true
}

/** How hard a role is to place: whole nodes, then accelerators, then CPUs. */
function weight({ sizes, classes }: Cell, { size }: Role): number {
  if (sizes.whole[size] === 1) return Infinity
  const share = (i: number, most: number) => (most > 0 ? (sizes.amounts[4 * size + i] ?? 0) / most : 0)
  const most = (of: (nodeClass: Cell['classes'][number]) => number) => Math.max(0, ...classes.map(of))
  return Math.max(
    share(
      0,
      most((c) => c.accelerators),
    ),
    share(
      1,
      most((c) => c.cpuMilli),
    ),
    share(
      2,
      most((c) => c.memoryMiB),
    ),
  )
}
