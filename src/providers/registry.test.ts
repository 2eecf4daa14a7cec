import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { createClock } from '#kit/clock.ts'
import { openProvider, providerNames } from './registry.ts'

const options: Record<string, unknown> = {
  local: { sites: [{ name: 'west' }] },
  kubernetes: { sites: [{ name: 'west', context: 'somewhere' }] },
  coreweave: { sites: [{ name: 'west', context: 'somewhere' }] },
  simulated: { sites: [{ name: 'west', shape: { cpus: 1, memory: '1GB' } }] },
  slurm: { sites: [{ name: 'west', partition: 'main', directory: '/nowhere' }] },
}

test('every provider is opened by its name', async () => {
  const home = mkdtempSync(join(tmpdir(), 'isobar-registry-'))
  try {
    for (const name of providerNames) {
      const provider = await openProvider(name, options[name], {
        clock: createClock(),
        home,
        shared: home,
        house: 'h1',
      })
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

const open = (name: string) =>
  openProvider(name, {}, { clock: createClock(), home: '/nowhere', shared: '/nowhere', house: 'h1' })

test('a name that no adapter has gives an error with those that exist', async () => {
  await assert.rejects(open('simulatde'), { message: /no provider "simulatde"/, fix: 'did you mean simulated?' })
  await assert.rejects(open('gcp'), {
    message: 'there is no provider "gcp" here',
    fix: 'write one of local, kubernetes, coreweave, simulated, slurm',
  })
  await assert.rejects(open('toString'), /no provider "toString"/)
})
