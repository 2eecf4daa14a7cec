import {
  type Asked,
  fewWait,
  type Alone,
  mostAsleep,
  nextInTurn,
  type Queue,
  queueOf,
  type Read,
  type Row,
  turnOf,
} from '#store/queries/queue.ts'
import type { Behind } from '#store/store.ts'
import type { Memory } from './memory.ts'
import { type ReplicaRow, replicaOf } from './rows.ts'
import { all, replicaKey } from './tables.ts'

/** Replicas that may be placed, in the order of the queue, as the query of the same name reads them. */
export function readQueue(memory: Memory, asked: Asked): Queue {
  const waiting = memory.replicas.waiting.get(all)
  const isLong = waiting.length > Math.min(fewWait, asked.most)
  const rows = isLong
    ? readSome(memory, asked)
    : waiting
        .filter(mayStart(memory, asked.now))
        .map((replica) =>
          rowOf(memory, replica, { need: needAt(replica, asked.now), reads: ['awake'], inLine: 0, awake: 0 }),
        )
  return queueOf(rows, asked.most)
}

type Some = { most: number; now: number }

/** All replicas of these workloads that may be placed; in order, no more than `most`. */
export const readThese = (memory: Memory, { workloads, ...how }: Some & { workloads: readonly string[] }): Alone[] =>
  mayOf(memory, ofThese(memory, workloads), how)

/** Those behind one in the line of its need that may be placed; in order, no more than `most`. */
export const readBehind = (memory: Memory, behind: Behind, how: Some): Alone[] =>
  mayOf(memory, lineBehind(memory, behind), how)

const mayOf = (memory: Memory, replicas: readonly ReplicaRow[], { most, now }: Some): Alone[] =>
  replicas
    .filter(mayStart(memory, now))
    .slice(0, most)
    .map((replica) => {
      const {
        reads: _reads,
        inLine: _inLine,
        awake: _awake,
        ...row
      } = rowOf(memory, replica, { need: needAt(replica, now), ...none })
      return row
    })
const none = { reads: [], inLine: 0, awake: 0 }

function lineBehind({ replicas }: Memory, { need, createdAt, workload, replica }: Behind): readonly ReplicaRow[] {
  return replicas.line.get(need).slice(replicas.line.behind(need, [createdAt, workload, replica]))
}

const ofThese = ({ replicas }: Memory, workloads: readonly string[]): ReplicaRow[] =>
  [...new Set(workloads)]
    .flatMap((id) => replicas.byWorkload.get(id).filter(({ state }) => state === 'waiting'))
    .sort(inOrder)

const inOrder = (a: ReplicaRow, b: ReplicaRow): number => b.priority - a.priority || byAge(a, b)

const byAge = (a: ReplicaRow, b: ReplicaRow): number =>
  a.createdAt - b.createdAt || (a.workload === b.workload ? a.replica - b.replica : a.workload < b.workload ? -1 : 1)

const mayStart =
  ({ workloads }: Memory, now: number) =>
  ({ notBefore, workload }: ReplicaRow): boolean => {
    if (notBefore > now) return false
    const row = workloads.get(workload)
    return row?.wants === 'run' && (row.state === 'queued' || row.state === 'starting' || row.state === 'running')
  }

/** Who avoids a site for a while has another need meanwhile. */
function needAt({ need, avoid }: ReplicaRow, now: number): string {
  const avoided = Object.keys(avoid).filter((key) => (avoid[key] ?? 0) > now)
  return avoided.length === 0 ? need : [need, ...avoided.sort()].join(' ')
}

type Reading = Pick<Row, 'need' | 'reads' | 'inLine' | 'awake'>

function rowOf({ workloads }: Memory, replica: ReplicaRow, reading: Reading): Row {
  const start = replica.promised ? (workloads.get(replica.workload)?.refusal?.start ?? null) : null
  return { ...replicaOf(replica), ...reading, start }
}

/** A replica at its place in the line of its need, from 1. */
type InLine = { replica: ReplicaRow; need: string; place: number; depth: number | undefined }

function readSome(memory: Memory, { now, most, asleep, after }: Asked): Row[] {
  const { replicas } = memory
  const may = mayStart(memory, now)
  const sleeps = (replica: ReplicaRow) => asleep.has(needAt(replica, now))
  const lines = linesOf(memory, { may, most, asleep, now })
  const chosen = new Map<string, { replica: ReplicaRow; need: string; reads: Read[] }>()
  const choose = (these: readonly ReplicaRow[], read: Read): void => {
    for (const replica of these) {
      const one = chosen.get(replicaKey(replica)) ?? { replica, need: needAt(replica, now), reads: [] }
      one.reads.push(read)
      chosen.set(replicaKey(replica), one)
    }
  }
  choose(firstAwake(lines, most), 'awake')
  choose(firstAsleep(lines), 'asleep')
  choose(
    some(replicas.untold.get(all), (one) => may(one) && !one.told && sleeps(one), most),
    'untold',
  )
  choose(some(replicas.promised.get(all), may, mostAsleep), 'promised')
  const [workload, replica = -1] = after?.split(' ') ?? []
  if (workload !== undefined) {
    const from = replicas.inTurn.behind(all, [workload, Number(replica)])
    choose(
      some(replicas.inTurn.get(all).slice(from), (one) => may(one) && sleeps(one), nextInTurn),
      'turn',
    )
  }
  const inLine = new Map<string, number>()
  for (const { need } of lines) inLine.set(need, (inLine.get(need) ?? 0) + 1)
  const awake = new Set(lines.flatMap(({ need, depth }) => (depth === undefined ? [need] : []))).size
  return [...chosen.values()]
    .sort((a, b) => inOrder(a.replica, b.replica))
    .map(({ replica: row, need, reads }) => rowOf(memory, row, { need, reads, inLine: inLine.get(need) ?? 0, awake }))
}

function some(rows: readonly ReplicaRow[], isWanted: (row: ReplicaRow) => boolean, most: number): ReplicaRow[] {
  const found: ReplicaRow[] = []
  for (const row of rows) {
    if (found.length >= most) break
    if (isWanted(row)) found.push(row)
  }
  return found
}

type Lines = Pick<Asked, 'now' | 'most' | 'asleep'> & { may: (row: ReplicaRow) => boolean }

/** Of each need as many as may be of use, and one more. */
function linesOf({ replicas }: Memory, { may, most, asleep, now }: Lines): InLine[] {
  const lined = (need: string, rows: readonly ReplicaRow[]): InLine[] =>
    rows.map((replica, i) => ({ replica, need, place: i + 1, depth: asleep.get(need) }))
  const free = [...replicas.line.keys()].flatMap((need) =>
    lined(need, some(replicas.line.get(need), may, (asleep.get(need) ?? most) + 1)),
  )
  const avoiding = Map.groupBy(replicas.avoiding.get(all).filter(may), (replica) => needAt(replica, now))
  return [...free, ...[...avoiding].flatMap(([need, rows]) => lined(need, rows))]
}

const firstAwake = (lines: InLine[], most: number): ReplicaRow[] =>
  lines
    .filter(({ depth }) => depth === undefined)
    .map(({ replica, place }) => ({ replica, step: turnOf(place) }))
    .sort((a, b) => a.step - b.step || inOrder(a.replica, b.replica))
    .slice(0, most)
    .map(({ replica }) => replica)

const firstAsleep = (lines: InLine[]): ReplicaRow[] =>
  lines
    .filter(({ place, depth }) => depth !== undefined && place <= depth)
    .sort((a, b) => a.place - b.place || inOrder(a.replica, b.replica))
    .slice(0, mostAsleep)
    .map(({ replica }) => replica)
