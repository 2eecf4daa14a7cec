import assert from 'node:assert/strict'

import type { CredentialedOrder } from '#model/order.ts'
import { asLongAsItTakes, faultOf, gone, poll, soon, tokens, until, valueOf } from './conformance-looks.ts'
import type { Provider } from './provider.ts'

/** What a provider must do that tells of changes. Only tests import this file. */

type Watch = (since: string | null, signal?: AbortSignal) => Promise<string>

function watchOf(provider: Provider, site: string): Watch {
  const { watch } = provider.abilities
  if (!watch) return assert.fail('a provider that tells of nothing has to say so in `lacks`')
  return async (since, signal = asLongAsItTakes) => valueOf(await watch(site, since, signal))
}

/** Follows the marks until what is listed is as it should be, looking only when it is told to. */
async function told(watch: Watch, from: string, isSo: () => Promise<boolean>): Promise<string> {
  let mark = from
  while (!(await isSo())) mark = await watch(mark)
  return mark
}

export async function changesAreTold(provider: Provider, order: CredentialedOrder, site: string): Promise<void> {
  const watch = watchOf(provider, site)
  const has = async (token: string) => (await tokens(provider, site)).includes(token)
  let mark = await watch(null)
  const coming = watch(mark)
  valueOf(await provider.launch(order, asLongAsItTakes))
  assert.notEqual(await coming, mark)
  await until(provider, order, (seen) => seen.ranks.every(({ state }) => state === 'running'))
  mark = await told(watch, mark, () => has(order.token))
  const going = told(watch, mark, async () => !(await has(order.token)))
  await gone(provider, order)
  mark = await settled(watch, await going)
  const quiet = new AbortController()
  let isOver = false
  const waits = provider.abilities.watch?.(site, mark, quiet.signal).finally(() => (isOver = true))
  for (let looks = 0; looks < 10; looks++) await tokens(provider, site)
  assert.equal(isOver, false, 'it tells of changes where there are none')
  quiet.abort()
  faultOf(await soon(waits ?? assert.fail(), 'watch'))
}

/** The mark once nothing more is told: what has gone may go in several steps. */
async function settled(watch: Watch, from: string): Promise<string> {
  let mark = from
  await poll('the last change to be told', async () => {
    const before = mark
    mark = await watch(null)
    return mark === before
  })
  return mark
}

export async function nothingIsMissed(provider: Provider, order: CredentialedOrder, site: string): Promise<void> {
  const watch = watchOf(provider, site)
  const mark = await watch(null)
  valueOf(await provider.launch(order, asLongAsItTakes))
  await until(provider, order, (seen) => seen.ranks.every(({ state }) => state === 'running'))
  const next = await soon(watch(mark), 'watch')
  assert.notEqual(next, mark)
  await gone(provider, order)
}

export async function theForgetfulAreTold(
  provider: Provider,
  reopen: () => Provider | Promise<Provider>,
  site: string,
): Promise<void> {
  const old = `${await watchOf(provider, site)(null)} of another time`
  const watch = watchOf(await reopen(), site)
  assert.notEqual(await soon(watch(old), 'watch'), old)
}

type Cut = { provider: Provider; site: string; cut?(): void | Promise<void>; restore?(): void | Promise<void> }

export async function cutsAreTold({ provider, site, cut, restore }: Cut): Promise<void> {
  const watch = watchOf(provider, site)
  const mark = await watch(null)
  const waits = provider.abilities.watch?.(site, mark, asLongAsItTakes)
  await cut?.()
  const { fault } = faultOf(await (waits ?? assert.fail()))
  assert.equal(fault.kind, 'unreachable')
  await restore?.()
  await poll(
    'the watch to begin again',
    async () => (await provider.abilities.watch?.(site, null, asLongAsItTakes))?.ok === true,
  )
}
