import type { CredentialedOrder } from '#model/order.ts'
import type { Shape } from '#model/resources.ts'
import { roleOfRank } from '#model/spec/roles.ts'
import { slotsOf } from '#model/workload.ts'
import type { ClaimedOperation } from '#store/store.ts'
import type { Outcome } from '#model/fault.ts'
import type { Provider, Taken } from '#providers/provider.ts'
import type { House } from './reconciler.ts'
import { permitOf } from './start-permit.ts'

/**
 * Asks a provider for the gang of a lease. One whose engine runs the ranks itself is told what they do; what that is, only
 * this call knows.
 */
export async function launchAt(
  provider: Provider,
  { operation, house }: { operation: ClaimedOperation; house: House },
  signal: AbortSignal,
): Promise<Outcome<Taken>> {
  const order = orderOf(operation, provider, house)
  if (!provider.abilities.runsRanks || !house.programs) return provider.launch(order, signal)
  const ranks = order.ranks.map(({ rank }) => rank)
  const programs = await house.programs(operation, ranks)
  return programs.ok ? provider.launch({ ...order, programs: programs.value }, signal) : programs
}

/** The order of a lease: the same on every try, but for the addresses of control planes and the permit of the first. */
function orderOf(operation: ClaimedOperation, provider: Provider, house: House): CredentialedOrder {
  const { token, leaseRow, workload, attempt } = operation
  const { image, duration } = workload.spec
  const permit = permitOf(operation, provider, house)
  return {
    token,
    workload: workload.id,
    attempt: attempt.number,
    site: leaseRow.site,
    tier: leaseRow.tier,
    ...(image === undefined ? {} : { image }),
    ranks: leaseRow.ranks.map(({ rank, node, part, shape = leaseRow.shape, ...slice }) => ({
      rank,
      ...(node === undefined ? {} : { node }),
      ...(part && { part }),
      shape: shapeOf(shape, slice),
      ...extrasOf(operation, rank),
    })),
    graceMs: leaseRow.graceMs,
    ...(duration.maximumMs === undefined ? {} : { maximumMs: duration.maximumMs }),
    controlPlanes: house.controlPlanes(),
    credential: house.credential(token),
    ...(permit && { permit }),
  }
}

/** What no lease keeps: it takes nothing from others. */
function extrasOf({ workload: { spec }, attempt }: ClaimedOperation, rank: number) {
  const { sharedMemoryMiB, network } = roleOfRank(spec, rank).resources
  const tasks = spec.kind === 'array' ? slotsOf(spec, attempt.replica) : 1
  return {
    ...(sharedMemoryMiB !== undefined && { sharedMemoryMiB: sharedMemoryMiB * tasks }),
    ...(network && { network }),
  }
}

type Slice = Pick<Shape, 'cpuMilli' | 'memoryMiB' | 'diskMiB' | 'accelerators'>

/** The provider knows its shapes by name; the amounts are what is leased of one. */
const shapeOf = (name: string, slice: Slice): Shape => ({ name, acceleratorMemoryMiB: 0, ...slice })
