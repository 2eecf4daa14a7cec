import type { Go } from './agent-protocol.ts'
import type { Attempt } from './attempt.ts'
import type { OpenStore } from './checkpoint-store.ts'
import { roleOfRank } from './spec/roles.ts'
import { slotsOf, type Workload } from './workload.ts'

type Facts = {
  workload: Pick<Workload, 'id' | 'spec'>
  attempt: Pick<Attempt, 'replica'>
  rank: number
  /** Opened. */
  secrets: Record<string, string>
  /** Where the folder of its checkpoints is, if its spec names none. */
  checkpoints: (workload: string) => string
  /** Where its site keeps checkpoints, if not in folders, and its spec neither. */
  store?: OpenStore | undefined
}

/** What a rank needs to start, but for its workdir and the addresses of its gang. */
export function goOf({ workload, attempt, rank, secrets, checkpoints, store }: Facts): Omit<Go, 'peers' | 'bundle'> {
  const { spec } = workload
  const role = roleOfRank(spec, rank)
  const service = spec.kind === 'service' ? spec : null
  return {
    environment: { ...spec.env, ...role.env, ...secrets, ...(role.name !== '' && { ISOBAR_ROLE: role.name }) },
    setup: spec.setup ?? null,
    run: role.run,
    checkpointRoot: spec.checkpoint.directory ?? checkpoints(workload.id),
    ...(store && { checkpointStore: store }),
    ports: service?.ports ?? [],
    // Requests come to the first rank of a replica. What the others do for it is their own, and need not listen anywhere.
    readiness: rank === 0 ? (service?.readiness ?? null) : null,
    slots: spec.kind === 'array' ? slotsOf(spec, attempt.replica) : 0,
  }
}
