import type { Operation } from '#model/operation.ts'
import type { ClaimedOperation, OperationResult, Operations } from '#store/store.ts'
import { apply } from './apply.ts'
import type { Memory } from './memory.ts'
import { attemptOf, leaseOf, operationOf, type OperationRow, replicaOf, workloadOf } from './rows.ts'
import { replicaKey } from './tables.ts'

export const createOperations = (memory: Memory): Operations => ({
  async claim(options) {
    const claimed = await memory.write(() => claim(memory, options))
    // Another moment, as in PostgreSQL: who ends a lease in between sees the claim, or is seen here.
    return claimed.length === 0 ? [] : memory.read(() => claimed.flatMap((operation) => withRows(memory, operation)))
  },
  nextAt: (kind, now) => memory.read(() => nextAt(memory, kind, now)),
  settle: (claimed, result, changes) =>
    memory.write(() => {
      if (!settle(memory, { ...claimed, result })) return false
      apply(memory, changes, memory.clock.now())
      return true
    }),
})

type Asked = Parameters<Operations['claim']>[0]

function claim(memory: Memory, { kind, holder, now, most, seconds, sites = [] }: Asked): Operation[] {
  const { operations, clock } = memory
  const rooms = new Map(sites.map((room) => [room.site, { ...room, left: room.most }]))
  const mine: OperationRow[] = []
  let due = 0
  for (const row of operations.open.get(kind)) {
    if (due === most || row.notBefore > now) break
    const room = rooms.get(row.site)
    const isFree = room?.most !== 0 && (row.claimedUntil === null || row.claimedUntil < clock.now())
    if (!isFree || !(kind === 'launch' ? isLaunchable(memory, row) : isRetirable(memory, row))) continue
    due++
    if (!room || room.left-- > 0) mine.push(row)
  }
  for (const row of mine) {
    const claimedUntil = clock.now() + (rooms.get(row.site)?.seconds ?? seconds) * 1000
    operations.update(row, { claimedBy: holder, tries: row.tries + 1, claimedUntil })
  }
  return mine.map(operationOf)
}

function isLaunchable({ leases }: Memory, { lease }: OperationRow): boolean {
  const state = leases.get(lease)?.state
  return state === 'wanted' || state === 'starting'
}

/** Not while a launch of it is under way: what that still creates would outlive the retirement. */
function isRetirable({ operations, clock }: Memory, { lease }: OperationRow): boolean {
  const launch = operations.byLease.get(lease).find(({ kind }) => kind === 'launch')
  return !(launch?.state === 'intended' && launch.claimedUntil !== null && launch.claimedUntil >= clock.now())
}

function withRows({ leases, attempts, workloads, replicas }: Memory, operation: Operation): ClaimedOperation[] {
  const lease = leases.get(operation.lease)
  const attempt = attempts.get(lease?.attempt ?? '')
  const workload = workloads.get(lease?.workload ?? '')
  const replica = attempt && replicas.get(replicaKey(attempt))
  if (!lease || !attempt || !workload || !replica) return []
  return [
    {
      ...operation,
      leaseRow: { ...leaseOf(lease), graceMs: lease.graceMs, shape: lease.shape },
      workload: workloadOf(workload),
      attempt: attemptOf(attempt),
      replica: replicaOf(replica),
    },
  ]
}

function nextAt(memory: Memory, kind: Operation['kind'], now: number): number | null {
  let next: number | null = null
  for (const row of memory.operations.open.get(kind)) {
    // Those behind it are no earlier.
    if (next !== null && row.notBefore >= next) break
    if (kind === 'launch' && !isLaunchable(memory, row)) continue
    const free = row.claimedUntil === null ? -Infinity : now + Math.ceil(row.claimedUntil - memory.clock.now())
    next = Math.min(next ?? Infinity, Math.max(row.notBefore, free))
  }
  return next
}

type Settled = { id: string; holder: string; tries: number; result: OperationResult }

function settle(memory: Memory, { id, holder, tries, result }: Settled): boolean {
  const { operations } = memory
  const row = operations.get(id)
  if (row?.state !== 'intended' || row.claimedBy !== holder || row.tries !== tries) return false
  // A launch to be tried again has no point once its lease is on its way out.
  const isVain = result.state === 'intended' && row.kind === 'launch' && !isLaunchable(memory, row)
  operations.update(row, {
    detail: result.detail.slice(0, 2000),
    claimedBy: null,
    claimedUntil: null,
    notBefore: result.state === 'intended' ? result.retryAt : row.notBefore,
    state: isVain ? 'failed' : result.state,
  })
  return true
}
