import assert from 'node:assert/strict'
import { test } from 'node:test'

import { place } from '#engine/placement/place.ts'
import type { Decision } from '#model/plan.ts'
import { aJob, aLease, aNow, aSite, aSnapshot, someNodes } from '#test/builders.ts'
import { changed } from './changed.ts'
import { whyPlaced } from './placed.ts'
import { mostRejections } from './rejections.ts'

function decide(facts: Parameters<typeof aSnapshot>[0]): Decision {
  const [decision] = place({ snapshot: aSnapshot(facts), now: aNow })
  assert.ok(decision)
  return decision
}

const h100 = (accelerators: string, nodes = 1) => aJob({ name: 'train', nodes, resources: { accelerators } })

test('a refusal names the closest candidate, what it lacks, what frees it and the next command', () => {
  const ranks = [{ rank: 0, node: 'n0', cpuMilli: 1000, memoryMiB: 1024, diskMiB: 0, accelerators: 3 }]
  const lease = aLease({ ranks, name: 'sweep', endsAt: aNow + 5_400_000 })
  const sites = [
    aSite({ nodes: someNodes(1, { gpus: 8 }) }),
    aSite({ name: 'small', offers: [{}] }),
    aSite({ name: 'away', reach: 'unreachable', offers: [{ gpus: 8 }] }),
  ]
  const { refusal } = decide({ waiting: [h100('H100:8')], sites, leases: [lease] })
  assert.deepEqual(refusal, {
    cause: 'capacity',
    impossible: false,
    text: 'No room now for 1 node with 8 H100. Closest is local/west (on-demand, 8xh100): needs 1 node with 8 H100; 0 are free. Ruled out besides: 1 by accelerator, 1 by site-unreachable.',
    best: {
      site: 'local/west',
      tier: 'on-demand',
      shape: '8xh100',
      rule: 'capacity',
      detail: 'needs 1 node with 8 H100; 0 are free',
    },
    frees: 'sweep, expected to end at 2026-01-01T01:30:00Z.',
    next: ['isobar offers --gpu H100', 'isobar stop sweep'],
    start: { earliest: aNow + 5_400_000, at: aNow + 5_400_000, site: 'local/west', order: 0 },
  })
})

const hour = 3_600_000
const on = (node: string, accelerators: number, cpuMilli = 1000) => [
  { rank: 0, node, cpuMilli, memoryMiB: 1024, diskMiB: 0, accelerators },
]
const unnamed = (accelerators: number) => on('', accelerators).map((rank) => ({ ...rank, node: undefined }))
const ends = (name: string, hours: number, fields: Parameters<typeof aLease>[0] = {}) =>
  aLease({ id: `l-${name}`, workload: `w-${name}`, name, endsAt: aNow + hours * hour, ...fields })

test('what frees accelerators is who ends first of those that hold them, not who ends first at the site', () => {
  const nodes = [...someNodes(2, { gpus: 8 }), ...someNodes(1, { cpus: 16 }).map((node) => ({ ...node, name: 'c0' }))]
  const gang = aJob({ nodes: 2, resources: { accelerators: 'H100:8', cpus: 8, memory: '8GB', disk: '8GB' } })
  const leases = [
    ends('cpus', 1, { ranks: on('c0', 0, 16_000), shape: '16cpu' }),
    ends('beside', 2, { ranks: on('n0', 0), shape: '8xh100' }),
    ends('soon', 3, { ranks: on('n1', 6), shape: '8xh100' }),
    ends('later', 4, { ranks: on('n0', 8), shape: '8xh100' }),
  ]
  const { refusal } = decide({ waiting: [gang], sites: [aSite({ nodes })], leases })
  assert.equal(refusal?.frees, 'soon, expected to end at 2026-01-01T03:00:00Z.')
  assert.deepEqual(refusal.next.at(-1), 'isobar stop soon', 'and of those that help the youngest is the next to stop')
  const [, beside, soon] = leases
  assert.ok(beside && soon)
  const onOther = decide({ waiting: [gang], sites: [aSite({ nodes })], leases: [beside, soon] })
  assert.equal(onOther.refusal?.frees, 'soon, expected to end at 2026-01-01T03:00:00Z.')
})

test('who lacks nothing but its turn waits for those for whom the ones before it wait', () => {
  const onlyAccelerators = on('n0', 8, 0).map((rank) => ({ ...rank, memoryMiB: 0 }))
  const leases = [ends('runs', 2, { ranks: onlyAccelerators, shape: '8xh100' })]
  const waiting = [
    aJob({ name: 'gang', nodes: 2, resources: { accelerators: 'H100:8' } }, { createdAt: aNow - 10 }),
    aJob({ name: 'next', resources: { cpus: 4 } }, { createdAt: aNow - 5 }),
  ]
  const sites = [aSite({ nodes: someNodes(2, { gpus: 8 }) })]
  const [, refused] = place({ snapshot: aSnapshot({ waiting, sites, leases }), now: aNow })
  assert.match(refused?.refusal?.text ?? '', /gang came first and waits for it/)
  assert.equal(refused?.refusal?.frees, 'runs, expected to end at 2026-01-01T02:00:00Z.')
})

test('what frees a domain is who ends in one that is large enough', () => {
  const racks = someNodes(5, { gpus: 8 }).map((node, i) => ({ ...node, path: [i < 2 ? 'small' : 'large'] }))
  const leases = [
    ends('small', 1, { ranks: on('n0', 8), shape: '8xh100' }),
    ends('large', 2, { ranks: on('n3', 8), shape: '8xh100' }),
  ]
  const gang = aJob({ nodes: 3, topology: { within: 'nvlink' }, resources: { accelerators: 'H100:8' } })
  const { refusal } = decide({ waiting: [gang], sites: [aSite({ nodes: racks })], leases })
  assert.equal(refusal?.frees, 'large, expected to end at 2026-01-01T02:00:00Z.')
})

test('what frees an offer whose nodes the provider chooses is who ends of that offer', () => {
  const offers = [
    { gpus: 8, available: 1 },
    { cpus: 16, available: 1 },
  ]
  const leases = [
    ends('cpus', 1, { ranks: unnamed(0), shape: '16cpu' }),
    ends('other', 2, { ranks: unnamed(8), shape: '8xh100', tier: 'spot' }),
    ends('gpus', 3, { ranks: unnamed(8), shape: '8xh100' }),
  ]
  const { refusal } = decide({ waiting: [h100('H100:8')], sites: [aSite({ offers })], leases })
  assert.equal(refusal?.frees, 'gpus, expected to end at 2026-01-01T03:00:00Z.')
})

test('a capacity block that has not begun frees it when it begins', () => {
  const offers = [{ gpus: 8, from: aNow + hour, until: aNow + 9 * hour }]
  const short = aJob({ resources: { accelerators: 'H100:8' }, duration: { expected: '2h' } })
  const { refusal } = decide({ waiting: [short], sites: [aSite({ offers })] })
  assert.equal(refusal?.cause, 'capacity-block')
  assert.equal(refusal.frees, 'Its capacity block, which begins at 2026-01-01T01:00:00Z.')
})

test('when nobody said when it ends, the refusal says so', () => {
  const ranks = [{ rank: 0, node: 'n0', cpuMilli: 1, memoryMiB: 1, diskMiB: 0, accelerators: 1 }]
  const sites = [aSite({ nodes: someNodes(1, { gpus: 8 }) })]
  const { refusal } = decide({ waiting: [h100('H100:8')], sites, leases: [aLease({ ranks })] })
  assert.equal(refusal?.frees, 'Not known: nothing that runs there has said when it will end.')
})

test('what no site could ever hold is told at once, with the most that there is', () => {
  const sites = [aSite({ nodes: someNodes(1, { gpus: 8 }) }), aSite({ name: 'small', offers: [{ gpus: 4 }] })]
  const { refusal } = decide({ waiting: [h100('H100:16')], sites })
  assert.equal(refusal?.impossible, true)
  assert.equal(refusal.frees, undefined)
  assert.match(refusal.text, /^No site has a node with 16 H100; the largest has 8\./)
  const other = decide({ waiting: [h100('B200:8')], sites })
  assert.match(other.refusal?.text ?? '', /^No site has a node with 8 B200; there are H100\./)
  const gang = decide({ waiting: [h100('H100:8', 3)], sites: sites.slice(0, 1) })
  assert.equal(gang.refusal?.impossible, true)
  assert.match(gang.refusal.text, /^Waiting does not help: no offer can hold 3 nodes with 8 H100 as asked for\./)
})

test('when only the rules are in the way, the refusal names the site that has what is asked for', () => {
  const sites = [aSite({ offers: [{ gpus: 8 }] }), aSite({ name: 'eu', jurisdictions: ['DE', 'EU'], offers: [{}] })]
  const job = aJob({ resources: { accelerators: 'H100:8' }, placement: { jurisdictions: ['EU'] } })
  const { refusal } = decide({ waiting: [job], sites })
  assert.equal(refusal?.cause, 'jurisdiction')
  assert.equal(
    refusal.text,
    'Waiting does not help: no offer can hold 1 node with 8 H100 as asked for. Closest is local/west (on-demand, 8xh100): it is US; the spec allows only EU. Ruled out besides: 1 by accelerator.',
  )
})

test('what time may cure is closer than what it cannot', () => {
  const small = aSite({ name: 'small', nodes: someNodes(1, { gpus: 8 }) })
  const { refusal } = decide({
    waiting: [h100('H100:8', 2)],
    sites: [small, aSite({ name: 'away', reach: 'unreachable', offers: [{ gpus: 8 }] })],
  })
  assert.equal(refusal?.cause, 'site-unreachable')
  assert.equal(refusal.frees, 'local/away answering again.')
  assert.deepEqual(refusal.next, ['isobar doctor', 'isobar sites'])
})

test('what a site has that has offered nothing yet, nobody knows', () => {
  const away = aSite({ name: 'away', offers: [], nodes: null })
  const { refusal } = decide({ waiting: [h100('H100:16')], sites: [aSite({ offers: [{ gpus: 8 }] }), away] })
  assert.deepEqual([refusal?.impossible, refusal?.frees], [false, 'local/away telling what it offers.'])
  assert.match(refusal?.text ?? '', /^No room now for 1 node with 16 H100\. Closest is local\/west/)
})

test('who wants an image where none runs is told what to do about it', () => {
  const { refusal } = decide({
    waiting: [aJob({ image: 'an/image' })],
    sites: [aSite({ offers: [{ images: false }] })],
  })
  assert.deepEqual([refusal?.cause, refusal?.impossible], ['image', true])
  assert.match(refusal?.next[0] ?? '', /^isobar run <file> \(without image in it/)
})

test('a site that does not answer and could not hold it anyway is no hope', () => {
  const sites = [aSite({ reach: 'unreachable', offers: [{ gpus: 8 }] })]
  assert.equal(decide({ waiting: [h100('H100:16')], sites }).refusal?.impossible, true)
  assert.equal(decide({ waiting: [h100('H100:8')], sites }).refusal?.impossible, false)
})

test('without any offer there is nothing to wait for but a site', () => {
  const { refusal: unheard } = decide({ waiting: [h100('H100:8')] })
  assert.equal(unheard?.cause, 'no-offers')
  assert.deepEqual(unheard.next, ['isobar doctor', 'isobar sites'], 'the best first, as for a site that is away')
})

test('rejections are bounded; the closest come first and the last line counts the others', () => {
  const offers = Array.from({ length: 80 }, (_, i) => ({ shape: `s${i}`, cpus: 1, price: i }))
  const sites = [aSite({ offers }), aSite({ name: 'full', offers: [{ available: 0, gpus: 1 }] })]
  const { rejections } = decide({ waiting: [aJob({ resources: { cpus: 4 } })], sites })
  assert.equal(rejections.length, mostRejections)
  assert.equal(rejections[0]?.site, 'local/full')
  assert.deepEqual(rejections.at(-1), {
    site: '*',
    tier: '*',
    shape: '*',
    rule: 'cpus',
    detail: '32 more: 32 by cpus',
  })
})

test('why it went there compares with the next and counts what was ruled out', () => {
  const sites = [
    aSite({ name: 'west', offers: [{ gpus: 8, price: 20 }, {}] }),
    aSite({ name: 'east', offers: [{ gpus: 8, price: 22 }] }),
  ]
  assert.equal(
    whyPlaced(decide({ waiting: [h100('H100:8', 2)], sites })),
    'local/west (on-demand, 8xh100) takes 2 nodes for $40.00/h: the next, local/east (on-demand, 8xh100), would cost $4.00/h (10%) more. Ruled out: 1 by accelerator.',
  )
  const ordered = aJob({ resources: { accelerators: ['H200:8', 'H100:8'] } })
  const h200 = aSite({ name: 'north', offers: [{ gpus: 8, gpu: 'H200', price: 30, shape: 'h200' }] })
  assert.equal(
    whyPlaced(decide({ waiting: [ordered], sites: [h200, ...sites.slice(1)] })),
    'local/north (on-demand, h200) takes 1 node for $30.00/h: preferred by the spec over local/east (on-demand, 8xh100), which would cost $8.00/h less.',
  )
})

test('a fresh decision differs from a plan by site, tier and price, not by node', () => {
  const facts = { waiting: [aJob({ resources: { cpus: 16 } })] }
  const nodes = someNodes(2)
  const before = decide({ ...facts, sites: [aSite({ nodes, offers: [{ price: 1 }] })] })
  const lease = aLease({ ranks: [{ rank: 0, node: 'n0', cpuMilli: 1, memoryMiB: 1, diskMiB: 1, accelerators: 0 }] })
  const moved = decide({ ...facts, sites: [aSite({ nodes, offers: [{ price: 1 }] })], leases: [lease] })
  assert.deepEqual(changed(before, moved), [])
  const spot = decide({ ...facts, sites: [aSite({ name: 'east', offers: [{ price: 3, tier: 'spot' }] })] })
  assert.deepEqual(changed(before, spot), [
    'site: local/west → local/east',
    'tier: on-demand → spot',
    'price: $1.00/h → $3.00/h',
  ])
  const none = decide({ ...facts, sites: [aSite({ offers: [{ available: 0 }] })] })
  assert.match(changed(before, none)[0] ?? '', /^there is no room any more: No room now for 1 node/)
  assert.deepEqual(changed(none, before), ['there is room now, at local/west for $1.00/h'])
  assert.deepEqual(changed(none, none), [])
})
