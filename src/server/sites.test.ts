import assert from 'node:assert/strict'
import { test } from 'node:test'

import { SimulatedConfig, simulatedOptions } from '#providers/simulated/config.ts'
import { createSimulated } from '#providers/simulated/simulated.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { parseSites } from './sites.ts'

test('sites are given to their providers, each without its name', async () => {
  const text = `sites:
  - {provider: local, name: west, price: $1.20/h}
  - {provider: simulated, name: cloud, shape: {cpus: 2, memory: 2GB}}
  - {provider: local, name: east}
`
  assert.deepEqual(Object.fromEntries(await parseSites('sites.yaml', text)), {
    local: { sites: [{ name: 'west', price: '$1.20/h' }, { name: 'east' }] },
    simulated: { sites: [{ name: 'cloud', shape: { cpus: 2, memory: '2GB' } }] },
  })
})

const shape = '{cpus: 2, memory: 2GB}'

test('a site declares the terms of its offers and what data costs that leaves it', async () => {
  const text = `sites:
  - provider: simulated
    name: cloud
    shape: ${shape}
    terms: {commitment: {nodes: 4, until: 2027-01-01T00:00:00Z}, from: 2026-06-01T00:00:00Z, takenEvery: 100h}
    egress: [{to: '*', steps: [{untilGB: 100, price: $0}, {price: $0.09}]}]
`
  const config = (await parseSites('sites.yaml', text)).get('simulated')
  const cloud = createSimulated({ ...simulatedOptions(SimulatedConfig.parse(config)), clock: createFakeClock() })
  const provider = cloud.open()
  assert.deepEqual(provider.sites()[0]?.egress, [
    { to: '*', steps: [{ untilGB: 100, microsPerGB: 0 }, { microsPerGB: 90_000 }] },
  ])
  const offers = await provider.offers('cloud', AbortSignal.timeout(1000))
  const { commitment, from, takenPpm } = (offers.ok && offers.value[0]) || assert.fail()
  assert.deepEqual(commitment, { nodes: 4, until: Date.UTC(2027, 0, 1) })
  assert.deepEqual([from, takenPpm], [Date.UTC(2026, 5, 1), 10_000])
})

test('what is wrong in a sites.yaml is shown at its place, with the fix last', async () => {
  const wrong: [string, RegExp][] = [
    [
      `sites:\n  - {provider: local, name: a}\n  - provider: simulated\n    name: b\n    shape: ${shape}\n    topology: [2]\n`,
      /^sites\.yaml:6:5: sites\[1\]\.topology: a site of simulated has no field "topology"\n/,
    ],
    [
      'sites:\n  - provider: local\n    name: west\n    price: cheap\n',
      /^sites\.yaml:4:12: sites\[0\]\.price: .*\n {2} {4}price: cheap\n {2} {11}\^\n/,
    ],
    [
      'sites:\n  - provider: lcoal\n    name: west\n',
      /:2:15: .*no provider "lcoal" here\n.*\n.*\ndid you mean local\?$/,
    ],
    [
      'sites:\n  - provider: gcp\n    name: west\n',
      /:2:15: .*no provider "gcp" here\n.*\n.*\nwrite one of local, kubernetes, coreweave, simulated, slurm$/,
    ],
    ['sites:\n  - {provider: local, name: a}\n  - {provider: simulated, name: b}\n', /:3:5: sites\[1\]\.shape: /],
    [
      'sites:\n  - {provider: local, name: a}\n  - {provider: local, name: b, pirce: 1}\n',
      /:3:32: .*"pirce"\n.*\n.*\ndid you mean price\?$/,
    ],
    ['sites:\n  - {provider: local, name: a}\n  - {provider: local, name: a}\n', /two sites have the same name/],
    [
      `sites:\n  - {provider: simulated, name: a, shape: ${shape}, egress: [{to: EU, steps: [{price: 1}, {price: 2}]}]}\n`,
      /egress: the steps must rise/,
    ],
    ['sites:\n  - name: west\n', /:2:5: .*provider of this site is missing\n.*\n.*\nadd provider: local$/],
    ['sites: [a]\n', /provider of this site is missing/],
    ['sites: [', /sites\.yaml:1:\d+: .*bracket/s],
    ['sites: [{provider: local, name: a}]\nsite: 1\n', /:2:1: site: it holds a list named `sites` and no more/],
    ['places: []\n', /:1:1: it must hold a list named `sites`\n.*\n.*\nwrite it like this: sites: /],
    ['- a\n', /must hold a list named `sites`/],
    ['', /must hold a list named `sites`/],
    ['a: &a [x]\nsites: *a\n', /sites\.yaml/],
    [`sites: ${'['.repeat(100)}\n`, /nested deeper/],
    ['sites: [{provider: local, name: a}]\n---\nsites: []\n', /a second document begins/],
  ]
  for (const [text, expected] of wrong)
    await assert.rejects(parseSites('sites.yaml', text), { message: expected }, text)
})
