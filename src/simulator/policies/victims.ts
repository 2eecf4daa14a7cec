import { domainsOf, type Demand, type Floor, type Range } from '#simulator/replay/floor.ts'
import type { JobRecord } from '#simulator/replay/job-record.ts'
import type { NodeGroup } from '#simulator/scenario/fleet.ts'

/** A job and its place in an order. */
export type Keyed = { record: JobRecord; key: number }

/** Finds whom to stop so that a gang fits. */
export type Victims = {
  /** Of those that may be stopped, a few that are enough, whole gangs only; none when all of them are not. */
  choose(candidates: Keyed[]): JobRecord[]
}

/** What nodes in a row would have if some were stopped. */
type Room = Range & { group: NodeGroup; extra: Map<number, number>; count: number; victims: JobRecord[] }

const fits = (free: number, each: number): number => Math.floor(free / each)

/** The domains of a group in which a job that runs there stands. */
const domainsUnder = ({ spots }: JobRecord, group: NodeGroup, within: number): Range[] =>
  domainsOf(group, within).filter(({ first, end }) =>
    spots.some((node, i) => i % 2 === 0 && node >= first && node < end),
  )

type Nodes = Range & { group: NodeGroup; each: number }

/** The room for ranks of so much that there is before anybody is stopped. */
function roomOf(floor: Floor, { group, first, end, each }: Nodes): Room {
  let count = 0
  for (let node = first; node < end; node++) count += fits(floor.free(node), each)
  return { group, first, end, extra: new Map(), count, victims: [] }
}

export function createVictims(floor: Floor, demand: Demand): Victims {
  const { unit, amount, ranks, within } = demand
  const groups = new Set(floor.groupsFor(unit).filter(({ number }) => !floor.refuses(number)))
  /** How much one rank needs of a node, and how many of them there are; the remainder of whole nodes takes one too. */
  const needOf = ({ size }: NodeGroup): { each: number; times: number } => {
    if (ranks > 0) return { each: amount / ranks, times: ranks }
    return amount <= size ? { each: amount, times: 1 } : { each: size, times: Math.ceil(amount / size) }
  }
  /** Counts what a victim would leave; tells whether that is enough. */
  const add = (room: Room, record: JobRecord): boolean => {
    const { each, times } = needOf(room.group)
    room.victims.push(record)
    for (let i = 0; i < record.spots.length; i += 2) {
      const [node = 0, part = 0] = [record.spots[i], record.spots[i + 1]]
      if (node < room.first || node >= room.end) continue
      const had = floor.free(node) + (room.extra.get(node) ?? 0)
      room.extra.set(node, (room.extra.get(node) ?? 0) + part)
      room.count += fits(had + part, each) - fits(had, each)
    }
    return room.count >= times
  }
  /** Leaves out whom it does not take, the last chosen first. */
  const spare = ({ group, first, end, extra, count, victims }: Room): JobRecord[] => {
    const { each, times } = needOf(group)
    let has = count
    return victims.toReversed().filter(({ spots }) => {
      let fewer = 0
      for (let i = 0; i < spots.length; i += 2) {
        const node = spots[i] ?? 0
        if (node < first || node >= end) continue
        const room = floor.free(node) + (extra.get(node) ?? 0)
        fewer += fits(room, each) - fits(room - (spots[i + 1] ?? 0), each)
      }
      if (has - fewer < times) return true
      has -= fewer
      for (let i = 0; i < spots.length; i += 2)
        extra.set(spots[i] ?? 0, (extra.get(spots[i] ?? 0) ?? 0) - (spots[i + 1] ?? 0))
      return false
    })
  }
  return {
    choose(candidates) {
      const rooms = new Map<number, Room>()
      const worstFirst = candidates.sort(
        (a, b) => a.record.job.priority - b.record.job.priority || b.key - a.key || b.record.index - a.record.index,
      )
      for (const { record } of worstFirst) {
        const group = floor.groupOf(record.spots[0] ?? 0)
        if (!groups.has(group) || record.demand.unit !== unit) continue
        for (const range of domainsUnder(record, group, within)) {
          const room = rooms.get(range.first) ?? roomOf(floor, { group, ...range, each: needOf(group).each })
          rooms.set(range.first, room)
          if (add(room, record)) return spare(room)
        }
      }
      return []
    },
  }
}
