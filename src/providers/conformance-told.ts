import assert from 'node:assert/strict'

import { Cause, type CauseKind } from '#model/cause.ts'
import type { CredentialedOrder } from '#model/order.ts'
import { asLongAsItTakes, faultOf, gone, handleOf, poll, until, valueOf } from './conformance-looks.ts'
import type { Provider } from './provider.ts'

/** What the conformance suite asks of providers that tell more than they must. Only tests import this file. */

export async function theNoticeStands(
  provider: Provider,
  order: CredentialedOrder,
  tell: () => void | Promise<void>,
): Promise<void> {
  const before = await until(provider, order, (one) => one.ranks[0]?.state === 'running')
  assert.equal(before.ranks[0]?.leavesAt, undefined)
  await tell()
  const told = await until(provider, order, (one) => one.ranks[0]?.leavesAt !== undefined)
  assert.equal(told.ranks[0]?.state, 'running')
  const again = valueOf(await provider.get(handleOf(order), asLongAsItTakes))
  const listed = valueOf(await provider.list(order.site, asLongAsItTakes)).find(({ token }) => token === order.token)
  const times = [again, listed].map((seen) => seen?.ranks[0]?.leavesAt)
  assert.deepEqual(times, [told.ranks[0]?.leavesAt, told.ranks[0]?.leavesAt])
  await gone(provider, order)
}

export async function theCauseIsTold(provider: Provider, order: CredentialedOrder, kind: CauseKind): Promise<void> {
  const seen = await until(provider, order, (one) => one.ranks[0]?.cause !== undefined)
  assert.equal(Cause.parse(seen.ranks[0]?.cause).kind, kind)
  await gone(provider, order)
}

export async function theTimeIsTold(provider: Provider, site: string): Promise<void> {
  const { fault } = faultOf(await provider.list(site, asLongAsItTakes))
  assert.deepEqual([fault.kind, fault.retry], ['throttled', 'later'])
  assert.ok((fault.retryAfterMs ?? 0) > 0 && (fault.retryAfterMs ?? 0) <= 1_000)
  await poll('the site to answer again', async () => (await provider.list(site, asLongAsItTakes)).ok)
}
