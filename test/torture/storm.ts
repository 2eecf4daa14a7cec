import { setTimeout as sleep } from 'node:timers/promises'

import type { Fault, FaultProxy } from '#rigs/fault-proxy.ts'

/** All that may happen to a connection, with how much of it drawn. */
const faultsFrom = (draw: () => number): Fault[] => [
  { kind: 'late', mostMs: 50 + draw() * 1_500 },
  { kind: 'trickle', bytes: 1 + Math.floor(draw() * 64), everyMs: 1 + draw() * 20 },
  { kind: 'deaf' },
  { kind: 'mute' },
  { kind: 'lost' },
  { kind: 'half-open' },
  { kind: 'cut', of: draw() < 0.5 ? 'request' : 'reply', afterBytes: Math.floor(draw() * 600) },
  { kind: 'refuse' },
]

/** Lets one fault, or all of them, meet some or all connections for up to `mostMs`; then all is well again. */
export async function storm(proxy: FaultProxy, draw: () => number, mostMs: number): Promise<void> {
  const all = faultsFrom(draw)
  const one = all[Math.floor(draw() * all.length)]
  proxy.trouble(one && draw() < 0.6 ? [one] : all, draw() < 0.3 ? 1 : 0.1 + draw() * 0.8)
  await sleep(200 + draw() * mostMs)
  proxy.calm()
}
