import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { parse } from 'yaml'

import { jurisdictionsOf } from '#providers/regions.ts'
import { CoreweaveConfig } from './config.ts'
import { listMicros, shapeOfInstance, stepOf } from './instances.ts'

const wrong = (site: object): string => {
  const read = CoreweaveConfig.safeParse({ sites: [{ name: 'east', ...site }] })
  return read.error?.issues.map(({ path, message }) => `${path.slice(2).join('.')}: ${message}`).join('; ') ?? ''
}

test('the declaration in the documentation is right', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/how-to/coreweave.md'), 'utf8')
  const [, text = ''] = /```yaml kubernetes\n([\s\S]*?)```/.exec(page) ?? []
  const { sites: written } = parse(text) as { sites: object[] }
  const sites = written.map((one) => Object.fromEntries(Object.entries(one).filter(([key]) => key !== 'provider')))
  const [site] = CoreweaveConfig.parse({ sites }).sites
  assert.deepEqual(site?.pools['gb200'], {
    tier: 'reserved',
    price: 17_000_000,
    terms: { commitment: { nodes: 36 } },
    most: 72,
  })
})

test('what is wrong in a declaration is told with its place', () => {
  assert.equal(wrong({}), '')
  assert.match(wrong({ pools: { gb200: { most: -18 } } }), /^pools.gb200.most: /)
  assert.match(wrong({ pools: { gb200: { mots: 18 } } }), /^pools.gb200: Unrecognized key: "mots"/)
  assert.match(wrong({ pools: { 'GB 200': {} } }), /^pools.GB 200: /)
  assert.match(wrong({ inCluster: true, context: 'c' }), /^inCluster: a site is either/)
  assert.match(wrong({ queuePriority: 'high' }), /^queue: only what stands in a queue/)
})

test('an instance has a list price where one is published, and grows by racks where NVLink connects nodes', () => {
  assert.equal(listMicros('gb200-4x', false), 42_000_000)
  assert.equal(listMicros('gb200-4x', true), undefined)
  assert.equal(listMicros('gb300-4x', false), undefined)
  assert.equal(listMicros('gd-8xh100ib-i128', true), 19_710_000)
  assert.deepEqual(['gb200-4x', 'gb300-4x', 'b200-8x', 'gd-8xh100ib-i128'].map(stepOf), [18, 18, 1, 1])
  assert.equal(shapeOfInstance('gb300-4x')?.name, '4xGB300-gb300-4x')
  assert.equal(shapeOfInstance('never-heard'), undefined)
})

test('its regions are in countries that are known', () => {
  assert.deepEqual(jurisdictionsOf(['US-EAST-02']), ['US'])
  assert.deepEqual(jurisdictionsOf(['EU-SOUTH-03', 'EU-SOUTH-04']), ['ES', 'EU'])
  assert.equal(jurisdictionsOf(['US-EAST-02', 'EU-SOUTH-04']), null)
})
