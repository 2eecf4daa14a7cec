import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseSites } from './sites.ts'

test('sites are read with their price, patience and nodes', () => {
  const text = `sites:
  - {provider: local, name: west, jurisdictions: [US], price: $1.20/h, patience: 5s, nodes: 4, shape: {cpus: 2, memory: 2GB}}
  - {provider: local, name: east}
`
  const { sites } = parseSites('sites.yaml', text)
  assert.deepEqual(
    sites.map(({ name, price, patience, nodes }) => ({ name, price, patience, nodes })),
    [
      { name: 'west', price: 1_200_000, patience: 5000, nodes: 4 },
      { name: 'east', price: 0, patience: 60_000, nodes: 1 },
    ],
  )
})

test('what is wrong in a sites.yaml is named with its line and an example', () => {
  const wrong: [string, RegExp][] = [
    ['sites:\n  - provider: local\n    name: west\n    price: cheap\n', /sites\.yaml:4:12: sites\.0\.price: "cheap"/],
    ['sites:\n  - provider: lcoal\n    name: west\n', /sites\.yaml:2:15: .*"lcoal" is not known/],
    ['sites:\n  - name: west\n', /provider is missing/],
    ['sites: [', /sites\.yaml:1/],
    ['places: []\n', /must hold a list named `sites`/],
    ['- a\n', /must hold a list named `sites`/],
    ['', /must hold a list named `sites`/],
    ['a: &a [x]\nsites: *a\n', /sites\.yaml/],
  ]
  for (const [text, expected] of wrong) {
    assert.throws(() => parseSites('sites.yaml', text), expected, text)
    assert.throws(() => parseSites('sites.yaml', text), /Write it like this/, text)
  }
})
