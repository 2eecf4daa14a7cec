import { goOf } from '#model/go.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Provider } from '#providers/provider.ts'
import type { ClaimedOperation } from '#store/store.ts'
import type { House } from './reconciler.ts'

/** Counted from when the attempt was placed, so that no delay on the way prolongs it. */
export const permitMs = 3_000
/** A site of less patience may count an agent that was never heard as lost while it may still start. */
export const leastPatienceMs = 10_000

/**
 * Permission for a rank that is alone to start before it asks. Nothing may take the place of its attempt as long as that
 * lasts, unless the provider says that nothing of it is left: so only the first try of an order has one, for less time
 * than any order waits before it is withdrawn, than its operation is claimed, and than its site is waited for. What
 * only the answer to its agent brings (secrets, a workdir, tasks, the keys of a store of checkpoints) is waited for.
 */
export function permitOf(
  operation: ClaimedOperation,
  provider: Pick<Provider, 'sites'>,
  house: Pick<House, 'clock' | 'checkpoints'>,
): CredentialedOrder['permit'] {
  const { tries, workload, attempt, leaseRow } = operation
  const { spec, bundle } = workload
  const { checkpoints } = house
  const site = provider.sites().find(({ name }) => name === leaseRow.site)
  const patient = site !== undefined && site.patienceMs >= leastPatienceMs
  // Who placed it may be another control plane, with a clock that is ahead of ours.
  const isYoung = leaseRow.createdAt <= house.clock.now() && house.clock.now() < leaseRow.createdAt + permitMs
  const isKept = spec.kind === 'job' && site?.checkpoints !== undefined
  const isComplete = !isKept && spec.secrets.length === 0 && bundle === null && spec.kind !== 'array'
  const [only, ...others] = leaseRow.ranks
  if (tries !== 1 || !isYoung || !patient || !isComplete) return undefined
  if (!checkpoints || !only || others.length > 0) return undefined
  const go = goOf({ workload, attempt, rank: only.rank, secrets: {}, checkpoints })
  return { go: { ...go, bundle: null }, until: leaseRow.createdAt + permitMs }
}
