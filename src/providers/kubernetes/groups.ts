import type { Program } from '#model/agent-protocol.ts'
import type { CredentialedOrder } from '#model/order.ts'
import { groupName } from './names.ts'

type Ranks = CredentialedOrder['ranks']

/** Ranks in a row that ask for the same, on a bounded number of nodes: pods of one Job. */
export type Group = {
  /** What its Job is called; a pod has that name as its host, with its number in the Job behind. */
  name: string
  /** The rank of its pod 0. */
  first: number
  ranks: Ranks
  /** All that ask for the same with them, though they may be pods of several Jobs. */
  row: Ranks
}

/** An order that says what its ranks do, and of which Jobs they are pods. */
export type Programmed = CredentialedOrder & { programs: readonly Program[]; groups: readonly Group[] }

/**
 * On so many nodes the pods of one Job are at the most. They are made after one template, so each of them carries the names
 * of all nodes of its Job, and the scheduler compares each node with them for each pod: a thousand pods with a thousand
 * names are 80 MB in each of their versions, and a thousand million comparisons.
 */
export const mostNodes = 64

/**
 * A gang as groups of equal ranks, in their order: one, unless it has roles of different sizes or is large. `isWhole`: it
 * stays one however large it is, where somebody takes in Job by Job.
 */
export function groupsOf(
  { token, ranks }: Pick<CredentialedOrder, 'token' | 'ranks'>,
  { isWhole = false }: { isWhole?: boolean } = {},
): Group[] {
  const groups: Group[] = []
  for (const row of rowsOf(ranks))
    for (const part of isWhole ? [row] : partsOf(row)) {
      const name = groupName(token, groups.length)
      groups.push({ name, first: groups.reduce((sum, one) => sum + one.ranks.length, 0), ranks: part, row })
    }
  return groups
}

function rowsOf(ranks: Ranks): Ranks[] {
  const rows: Ranks[] = []
  for (const rank of ranks) {
    const last = rows.at(-1)
    if (last?.[0] && isSame(asked(last[0]), asked(rank))) last.push(rank)
    else rows.push([rank])
  }
  return rows
}

/**
 * Cut only where no node is on both sides: pods of one Job may fill the places of another's on a node that both have, who
 * then has none.
 */
function partsOf(row: Ranks): Ranks[] {
  const last = new Map(row.map(({ node }, at) => [node, at]))
  const parts: Part[] = []
  let run: Ranks = []
  let until = 0
  for (const [at, rank] of row.entries()) {
    run.push(rank)
    if (rank.node !== undefined) until = Math.max(until, last.get(rank.node) ?? at)
    if (at < until) continue
    const nodes = nodesOf(run).length
    const part = parts.at(-1)
    if (part && part.nodes + nodes <= mostNodes) {
      part.ranks.push(...run)
      part.nodes += nodes
    } else parts.push({ ranks: run, nodes })
    run = []
  }
  return parts.map(({ ranks }) => ranks)
}

type Part = { ranks: Ranks; nodes: number }

/** Each of them once. */
export const nodesOf = (ranks: Ranks): string[] => [
  ...new Set(ranks.flatMap(({ node }) => (node === undefined ? [] : [node]))),
]

const asked = ({ shape, sharedMemoryMiB, network }: Ranks[number]): object => ({
  shape,
  sharedMemoryMiB,
  network,
})

/** Both came out of one spec, with their fields in one order. */
const isSame = (one: object, other: object): boolean => JSON.stringify(one) === JSON.stringify(other)
