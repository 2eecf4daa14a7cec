import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Outcome } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Shape } from '#model/resources.ts'

import type { LocalSite } from './config.ts'
import { createLocal } from './local.ts'

export const smallShape: Shape = {
  name: 'small',
  accelerators: 0,
  acceleratorMemoryMiB: 0,
  cpuMilli: 1000,
  memoryMiB: 256,
  diskMiB: 100,
}

type Changes = Partial<Omit<CredentialedOrder, 'ranks'>> & { ranks?: number }

/** Only tests use this file: a site of four small nodes in a folder of its own, and how to leave nothing behind. */
export function openLocalRig(controlPlane: string, shape: Shape = smallShape) {
  const home = mkdtempSync(join(tmpdir(), 'isobar-local-'))
  const site: LocalSite = {
    name: 'west',
    root: join(home, 'west'),
    jurisdictions: ['US'],
    patienceMs: 1000,
    tier: 'on-demand',
    priceMicros: 0,
    nodes: [0, 1, 2, 3].map((index) => ({ name: `n${index}`, shape, path: [`n${index}`], usable: true })),
  }
  const provider = createLocal({ sites: [site] })
  return {
    home,
    site,
    provider,
    order({ ranks = 1, ...changes }: Changes = {}): CredentialedOrder {
      const token = changes.token ?? `l-${randomUUID()}`
      return {
        token,
        workload: 'w-1',
        attempt: 1,
        site: 'west',
        tier: 'on-demand',
        ranks: Array.from({ length: ranks }, (_, rank) => ({ rank, shape })),
        graceMs: 1000,
        controlPlanes: [controlPlane],
        credential: `c-${token}`,
        ...changes,
      }
    },
    /** Retires what is left and removes the site. */
    async close(): Promise<void> {
      for (const { token } of valueOf(await provider.list('west', forever)))
        await until(
          'all is retired',
          async () => valueOf(await provider.retire({ site: 'west', token }, 0, forever)) === 'gone',
        )
      rmSync(home, { recursive: true, force: true })
    },
  }
}

export const forever = new AbortController().signal

export function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  throw new Error(`${outcome.fault.kind}: ${outcome.fault.detail}`)
}

/** Looks again and again until `condition` holds; its value is the answer. */
export async function until<T>(what: string, condition: () => Promise<T> | T): Promise<T> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; await sleep(5)) {
    const value = await condition()
    if (value) return value
  }
  throw new Error(`waited 20 s in vain: ${what}`)
}
