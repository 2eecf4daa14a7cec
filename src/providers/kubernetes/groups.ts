import type { CredentialedOrder } from '#model/order.ts'
import { groupName } from './names.ts'

/** Ranks in a row that ask for the same: pods of one Job. */
export type Group = {
  /** What its Job is called; a pod has that name as its host, with its number in the Job behind. */
  name: string
  /** The rank of its pod 0. */
  first: number
  ranks: CredentialedOrder['ranks']
}

/** A gang as groups of equal ranks, in their order: one, unless it has roles of different sizes. */
export function groupsOf({ token, ranks }: Pick<CredentialedOrder, 'token' | 'ranks'>): Group[] {
  const groups: Group[] = []
  for (const [at, rank] of ranks.entries()) {
    const last = groups.at(-1)
    if (last?.ranks[0] && isSame(asked(last.ranks[0]), asked(rank))) last.ranks.push(rank)
    else groups.push({ name: groupName(token, groups.length), first: at, ranks: [rank] })
  }
  return groups
}

const asked = ({ shape, sharedMemoryMiB, network }: CredentialedOrder['ranks'][number]): object => ({
  shape,
  sharedMemoryMiB,
  network,
})

/** Both came out of one spec, with their fields in one order. */
const isSame = (one: object, other: object): boolean => JSON.stringify(one) === JSON.stringify(other)
