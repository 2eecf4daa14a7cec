import assert from 'node:assert/strict'
import { setTimeout as wallSleep } from 'node:timers/promises'

import { Fault, type Outcome } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Handle, Provider, Sighting } from './provider.ts'

/** How the conformance suite looks at a provider, and waits for what it should show. Only tests import this file. */

export const asLongAsItTakes = new AbortController().signal
const deadlineMs = 30_000
const soonMs = 5_000

export const handleOf = (order: CredentialedOrder): Handle => ({ site: order.site, token: order.token })

export const tokens = async (provider: Provider, site: string): Promise<string[]> =>
  valueOf(await provider.list(site, asLongAsItTakes))
    .map((one) => one.token)
    .sort()

export const ended = (seen: Sighting): boolean => seen.ranks.every((rank) => rank.state === 'exited')

/** Asks for the end again and again, as the retire loop does. */
export const gone = (provider: Provider, order: CredentialedOrder, graceMs = 1_000): Promise<void> =>
  poll('gone', async () => valueOf(await provider.retire(handleOf(order), graceMs, asLongAsItTakes)) === 'gone')

export async function until(
  provider: Provider,
  order: CredentialedOrder,
  condition: (seen: Sighting) => boolean,
): Promise<Sighting> {
  let seen: Sighting | null = null
  await poll('what the order should come to', async () => {
    seen = valueOf(await provider.get(handleOf(order), asLongAsItTakes))
    return seen !== null && condition(seen)
  })
  return seen ?? assert.fail('the gang went away')
}

export async function poll(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > deadline) assert.fail(`waited ${deadlineMs} ms in vain for ${what}`)
    await wallSleep(5)
  }
}

export async function soon<T>(outcome: Promise<T>, call: string): Promise<T> {
  const late = new AbortController()
  const tooLate = wallSleep(soonMs, null, { signal: late.signal }).then(
    () => assert.fail(`${call} did not end within ${soonMs} ms of its abort`),
    () => outcome,
  )
  try {
    return await Promise.race([outcome, tooLate])
  } finally {
    late.abort()
  }
}

export function valueOf<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) assert.fail(`${outcome.fault.kind}: ${outcome.fault.detail}`)
  return outcome.value
}

export function faultOf(outcome: Outcome<unknown>): { fault: Fault } {
  if (outcome.ok) assert.fail(`expected a fault, got ${JSON.stringify(outcome.value)}`)
  return { fault: Fault.parse(outcome.fault) }
}
