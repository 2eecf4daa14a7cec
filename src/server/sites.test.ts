import assert from 'node:assert/strict'
import { test } from 'node:test'

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

test('what is wrong in a sites.yaml is shown at its place, with the fix last', async () => {
  const wrong: [string, RegExp][] = [
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
      /:2:15: .*no provider "gcp" here\n.*\n.*\nwrite one of local, simulated$/,
    ],
    ['sites:\n  - {provider: local, name: a}\n  - {provider: simulated, name: b}\n', /:3:5: sites\[1\]\.shape: /],
    [
      'sites:\n  - {provider: local, name: a}\n  - {provider: local, name: b, pirce: 1}\n',
      /:3:32: .*"pirce"\n.*\n.*\ndid you mean price\?$/,
    ],
    ['sites:\n  - {provider: local, name: a}\n  - {provider: local, name: a}\n', /two sites have the same name/],
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
