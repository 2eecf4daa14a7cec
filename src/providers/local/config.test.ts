import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { test } from 'node:test'

import { defaultSites, LocalConfig, localSites } from './config.ts'
import { referenceSource } from './reference-price.ts'

test('sites are declared in the words of a spec', () => {
  const config = LocalConfig.parse({
    sites: [
      {
        name: 'west',
        jurisdictions: ['US'],
        price: '$1.20/h',
        tier: 'spot',
        patience: '90s',
        nodes: 2,
        shape: { cpus: 2, memory: '4GB', accelerators: 'H200:8', acceleratorMemory: '141GB' },
      },
    ],
  })
  const shape = {
    name: '8xH200-2cpu-4GB',
    accelerator: 'H200',
    accelerators: 8,
    acceleratorMemoryMiB: 141 * 1024,
    cpuMilli: 2000,
    memoryMiB: 4096,
    diskMiB: 10 * 1024,
  }
  assert.deepEqual(localSites(config, '/home'), [
    {
      name: 'west',
      root: '/home/west',
      jurisdictions: ['US'],
      patienceMs: 90_000,
      tier: 'spot',
      priceMicros: 1_200_000,
      nodes: ['west-0', 'west-1'].map((name) => ({
        name,
        shape,
        path: [name, 'west'],
        usable: true,
      })),
    },
  ])
})

test('nodes stand in the domains that a site declares', () => {
  const shape = { cpus: 1, memory: '1GB' }
  const [site] = localSites(LocalConfig.parse({ sites: [{ name: 'a', nodes: 6, shape, topology: [2, 4] }] }), '/home')
  assert.deepEqual(
    site?.nodes?.map(({ path }) => path.join(' ')),
    ['a-0-0 a-1-0 a', 'a-0-0 a-1-0 a', 'a-0-1 a-1-0 a', 'a-0-1 a-1-0 a', 'a-0-2 a-1-1 a', 'a-0-2 a-1-1 a'],
  )
})

test('declared nodes have the labels and taints of their site', () => {
  const marks = { labels: { rack: 'r1' }, taints: ['debug-only'] }
  const site = { name: 'a', shape: { cpus: 1, memory: '1GB' }, ...marks }
  const [declared] = localSites(LocalConfig.parse({ sites: [site] }), '/home')
  assert.deepEqual([declared?.nodes?.[0]?.labels, declared?.nodes?.[0]?.taints], [marks.labels, marks.taints])
  assert.match(problems({ taints: ['debug-only'] })?.[0] ?? '', /^sites\.0\.shape: declared nodes need a shape/)
})

test('without a declaration there is this machine, at the price of its vCPUs elsewhere, in no known country', () => {
  assert.deepEqual(defaultSites('/home'), [
    {
      name: 'here',
      root: '/home/here',
      jurisdictions: ['ZZ'],
      patienceMs: 60_000,
      tier: 'on-demand',
      priceMicros: availableParallelism() * 50_400,
      priceSource: referenceSource,
    },
  ])
})

const problems = (site: object) =>
  LocalConfig.safeParse({ sites: [{ name: 'a', ...site }] }).error?.issues.map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  )

test('what cannot be meant is refused with its place and what to write', () => {
  const shape = { cpus: 1, memory: '1GB' }
  assert.match(problems({ nodes: 3 })?.[0] ?? '', /^sites\.0\.shape: declared nodes need a shape/)
  assert.match(
    problems({ shape: { ...shape, cpus: 'many' } })?.[0] ?? '',
    /^sites\.0\.shape\.cpus: .*write for example/,
  )
  assert.match(problems({ shape: { ...shape, accelerators: '?' } })?.[0] ?? '', /^sites\.0\.shape\.accelerators: /)
  assert.match(
    problems({ shape: { ...shape, accelerators: 'H100:0.5' } })?.[0] ?? '',
    /a node has whole accelerators; write H100:8$/,
  )
  assert.match(problems({ shape, nodes: 4, topology: [2, 3] })?.[0] ?? '', /^sites\.0\.topology: .*such as \[2, 4\]$/)
  assert.match(problems({ price: 'cheap' })?.[0] ?? '', /^sites\.0\.price: .*amount of money/)
  assert.match(
    LocalConfig.safeParse({ sites: [{ name: 'a' }, { name: 'a' }] }).error?.issues[0]?.message ?? '',
    /same name/,
  )
})
