import type { CredentialedOrder } from '#model/order.ts'
import type { Shape } from '#model/resources.ts'
import type { ClaimedOperation } from '#store/store.ts'
import type { House } from './reconciler.ts'

/** The order of a lease: the same on every try, but for the addresses of the control planes that are up. */
export function orderOf({ token, leaseRow, workload, attempt }: ClaimedOperation, house: House): CredentialedOrder {
  const { image } = workload.spec
  return {
    token,
    workload: workload.id,
    attempt: attempt.number,
    site: leaseRow.site,
    tier: leaseRow.tier,
    ...(image === undefined ? {} : { image }),
    ranks: leaseRow.ranks.map(({ rank, node, part, ...slice }) => ({
      rank,
      ...(node === undefined ? {} : { node }),
      ...(part && { part }),
      shape: shapeOf(leaseRow.shape, slice),
    })),
    graceMs: leaseRow.graceMs,
    controlPlanes: house.controlPlanes(),
    credential: house.credential(token),
  }
}

type Slice = Pick<Shape, 'cpuMilli' | 'memoryMiB' | 'diskMiB' | 'accelerators'>

/** The provider knows its shapes by name; the amounts are what is leased of one. */
const shapeOf = (name: string, slice: Slice): Shape => ({ name, acceleratorMemoryMiB: 0, ...slice })
