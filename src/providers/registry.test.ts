import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { createClock } from '#kit/clock.ts'
import { openProvider, providerNames } from './registry.ts'

const shape = { name: 's', accelerators: 0, acceleratorMemoryMiB: 0, cpuMilli: 1, memoryMiB: 1, diskMiB: 1 }
const options: Record<string, unknown> = {
  local: { sites: [{ name: 'west' }] },
  simulated: {
    seed: 1,
    sites: [
      {
        name: 'west',
        jurisdictions: ['DE'],
        patienceMs: 1,
        pools: [{ tier: 'spot', shape, priceMicros: 1, nodes: 1 }],
      },
    ],
  },
}

test('every provider is opened by its name', async () => {
  const home = mkdtempSync(join(tmpdir(), 'isobar-registry-'))
  try {
    for (const name of providerNames) {
      const provider = await openProvider(name, options[name], { clock: createClock(), home })
      assert.equal(provider.name, name)
      assert.deepEqual(
        provider.sites().map((site) => [site.provider, site.name]),
        [[name, 'west']],
      )
    }
  } finally {
    rmSync(home, { recursive: true })
  }
})

const open = (name: string) => openProvider(name, {}, { clock: createClock(), home: '/nowhere' })

test('a name that no adapter has gives an error with those that exist', async () => {
  await assert.rejects(open('simulatde'), /no provider "simulatde".*Did you mean "simulated"\?\n.*local, simulated/)
  await assert.rejects(open('gcp'), /no provider "gcp" here\.\n/)
  await assert.rejects(open('toString'), /no provider "toString"/)
})
