import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { InputFault, inputOf, readInput } from '#simulator/traces/input.ts'

import { readFaultTrace } from './fault-trace.ts'
import { readFleet } from './fleet.ts'
import { readScenario } from './scenario.ts'

const folder = mkdtempSync(join(tmpdir(), 'isobar-scenario-'))
after(() => rmSync(folder, { recursive: true }))

const fleetText = `sites:
  - provider: coreweave
    name: ord
    jurisdictions: [US]
    nodes:
      - { shape: h100x8, count: 4, accelerators: 8, topology: [2, 4], tier: committed, price: $16/h }
      - { shape: cpu, count: 2, cpus: 96, price: 3.2 }
  - provider: aws
    name: us-east-1
    nodes: [{ shape: p5, count: 3, accelerators: 8, tier: spot, price: $40/h }]
`
const fleet = readFleet(inputOf('fleet.yaml', fleetText))
const scenarioOf = (text: string) => readScenario(inputOf(join(folder, 'scenario.yaml'), text), fleet)

function problemsOf(read: () => unknown): string[] {
  try {
    read()
  } catch (error) {
    assert.ok(error instanceof InputFault, String(error))
    return error.problems.map(
      ({ line, column, path, message, fix }) => `${line}:${column} ${path}: ${message} | ${fix}`,
    )
  }
  throw new Error('it was read')
}

test('a fleet numbers its nodes group by group, and keeps what they are and cost', () => {
  assert.equal(fleet.nodes, 9)
  assert.deepEqual(
    fleet.groups.map(({ site, unit, size, first, count, tier, priceMicros }) => [
      site,
      unit,
      size,
      first,
      count,
      tier,
      priceMicros,
    ]),
    [
      ['coreweave/ord', 'gpu', 8, 0, 4, 'committed', 16_000_000],
      ['coreweave/ord', 'cpu', 96_000, 4, 2, 'on-demand', 3_200_000],
      ['aws/us-east-1', 'gpu', 8, 6, 3, 'spot', 40_000_000],
    ],
  )
})

const wrong = (from: string, to: string) =>
  problemsOf(() => readFleet(inputOf('fleet.yaml', fleetText.replace(from, to))))

test('what is wrong with a fleet is told with its place and its fix', () => {
  assert.deepEqual(wrong('accelerators: 8, topology', 'acelerators: 8, topology'), [
    '6:9 sites[0].nodes[0]: must have either accelerators or cpus | write for example accelerators: 8',
    '6:36 sites[0].nodes[0].acelerators: sites[0].nodes[0] has no field "acelerators" | did you mean accelerators?',
  ])
  assert.deepEqual(wrong('[2, 4]', '[2, 3]'), [
    '6:63 sites[0].nodes[0].topology: a domain of 3 nodes does not consist of whole ones of the level before | make each a multiple of the one before it, such as [4, 16]',
  ])
  assert.deepEqual(wrong('accelerators: 8, topology', 'accelerators: 8, mig: true, accelerator: T4, topology'), [
    '6:58 sites[0].nodes[0].mig: nobody knows how MIG cuts T4 of 0MB | name a model and its memory, such as accelerator: H100 and acceleratorMemory: 80GB',
  ])
  assert.deepEqual(wrong('cpus: 96', 'cpus: 96, accelerator: T4'), [
    '7:56 sites[0].nodes[1].accelerator: these nodes have no accelerators | leave it out, or say how many',
  ])
  assert.deepEqual(wrong('provider: coreweave', 'provider: corewave'), [
    '2:15 sites[0].provider: "corewave" is not allowed here | did you mean coreweave? (use one of aws, azure, gcp, oci, coreweave, kubernetes, slurm, local, simulated)',
  ])
  assert.deepEqual(wrong(', cpus: 96', ''), [
    '7:9 sites[0].nodes[1]: must have either accelerators or cpus | write for example accelerators: 8',
  ])
  assert.match(
    wrong('  - provider: aws\n    name: us-east-1', '  - provider: coreweave\n    name: ord')[0] ?? '',
    /coreweave\/ord is there twice/,
  )
  assert.match(wrong('[US]', '[US')[0] ?? '', /^\d+:\d+ : .+ \| .+/)
})

test('a scenario names nodes by provider, site, shape and tier, and reads its traces from beside it', () => {
  writeFileSync(join(folder, 'spot.json'), '{"metadata": {"gap_seconds": 300}, "data": [4, 4, 2, 0, 0, 4]}')
  const faults = [3.5, 4, 5].map((day, i) => ({
    node_id: `n${i % 2}`,
    event_time: day,
    event_type: i < 2 ? 'fault_start' : 'fault_end',
  }))
  writeFileSync(join(folder, 'faults.json'), JSON.stringify(faults))
  const scenario = scenarioOf(`
checkpoint: 30m
restart: 2m
faults: [{ rate: 3.8, repair: 2h }, { shape: h100x8, trace: faults.json }]
outages: [{ provider: coreweave, at: 10d, for: 15h, running: kept }]
spot: [{ site: aws/us-east-1, trace: spot.json }]
prices: [{ tier: spot, at: 1d, price: $50/h }]
`)
  assert.deepEqual([scenario.checkpointMs, scenario.restartMs], [1_800_000, 120_000])
  assert.deepEqual(
    scenario.faults.map(({ groups, repairMs }) => [groups.length, repairMs]),
    [[3, 7_200_000]],
  )
  assert.deepEqual(scenario.faultTraces[0]?.trace, {
    servers: 2,
    events: [
      { atMs: 302_400_000, server: 0, down: true },
      { atMs: 345_600_000, server: 1, down: true },
      { atMs: 432_000_000, server: 0, down: false },
    ],
  })
  assert.deepEqual(
    scenario.outages.map(({ groups, running }) => [groups.length, running]),
    [[2, 'kept']],
  )
  assert.deepEqual(scenario.spot[0]?.trace.steps, [
    { atMs: 0, part: 1 },
    { atMs: 600_000, part: 0.5 },
    { atMs: 900_000, part: 0 },
    { atMs: 1_500_000, part: 1 },
  ])
  assert.deepEqual(
    scenario.prices.map(({ groups, priceMicros }) => [groups[0]?.site, priceMicros]),
    [['aws/us-east-1', 50_000_000]],
  )
})

test('what is wrong with a scenario is told with its place and its fix', () => {
  assert.deepEqual(
    problemsOf(() => scenarioOf('outages:\n  - { site: aws/eu, at: 1d }\n')),
    ['2:13 outages[0].site: the fleet has no site "aws/eu" | use one of coreweave/ord, aws/us-east-1'],
  )
  assert.deepEqual(
    problemsOf(() => scenarioOf('outages:\n  - { site: us-east-1, at: 1d }\n')),
    ['2:13 outages[0].site: the fleet has no site "us-east-1" | did you mean aws/us-east-1?'],
  )
  assert.deepEqual(
    problemsOf(() => scenarioOf('outages:\n  - { provider: azure, at: 1d }\n')),
    [
      '2:5 outages[0]: the fleet has no such nodes | it has coreweave/ord h100x8 committed; coreweave/ord cpu on-demand; aws/us-east-1 p5 spot',
    ],
  )
  assert.match(
    problemsOf(() => scenarioOf('spot: [{ tier: spot, trace: none.json }]'))[0] ?? '',
    /^1:29 spot\[0\]\.trace: there is no file .*none\.json \| write its path as seen from the scenario$/,
  )
  assert.deepEqual(
    problemsOf(() => scenarioOf('faults:\n  - { site: aws/us-east-1 }\n')),
    ['2:5 faults[0]: faults come at a rate or from a trace | write either rate: 3.8 or trace: faults.json'],
  )
  assert.match(
    problemsOf(() => scenarioOf('outages: [{ at: tomorrow }]'))[0] ?? '',
    /^1:17 outages\[0\]\.at: .* is not a duration \| /,
  )
})

const event = (id: string, day: number, type: string) => ({ node_id: id, event_time: day, event_type: type })
const lines = (...events: object[]) => `[\n${events.map((one) => JSON.stringify(one)).join(',\n')}\n]`
const badTrace = (part: 'faults' | 'spot', text: string) => {
  writeFileSync(join(folder, 'bad.json'), text)
  return problemsOf(() => scenarioOf(`${part}: [{ trace: bad.json }]`))[0] ?? ''
}

test('what is wrong with a record of faults or of a spot market is told with its line and column', () => {
  assert.match(badTrace('faults', lines(event('a', 1, 'fault_start'), { node_id: 3 })), /^3:12 : 1\.node_id: .*string/)
  assert.match(badTrace('faults', lines(event('a', 1, 'fault_began'))), /^2:\d+ : 0\.event_type: .*fault_start/)
  assert.match(
    badTrace('faults', lines(event('a', 1, 'fault_start'), event('b', 2, 'fault_end'))),
    /^3:1 : b is repaired without having failed \| add the fault_start/,
  )
  assert.match(badTrace('faults', '[\n {"node_id": \n'), /^2:13 : this is not JSON/)
  assert.match(badTrace('faults', '[\n {"node_id": "a", "event_time": 3.5.1}\n]'), /^2:36 : this is not JSON/)
  assert.match(badTrace('faults', 'nope'), /^1:2 : this is not JSON/)
  assert.match(badTrace('spot', '{"metadata": {"gap_seconds": 300},\n "data": [1, "2"]}'), /^2:14 : data\.1: .*number/)
  assert.match(badTrace('spot', '{"metadata": {\n"gap_seconds": 0}, "data": [1]}'), /^2:16 : metadata\.gap_seconds: /)
})

test('a server that has two faults at once is back when both are over, and the published record is read whole', (t) => {
  const events = [1, 2, 3, 4].map((day) => event('a', day, day < 3 ? 'fault_start' : 'fault_end'))
  writeFileSync(join(folder, 'twice.json'), JSON.stringify(events))
  const { trace } = scenarioOf('faults: [{ trace: twice.json }]').faultTraces[0] ?? {}
  assert.deepEqual(
    trace?.events.map(({ atMs, down }) => [atMs / 86_400_000, down]),
    [
      [1, true],
      [2, true],
      [3, false],
      [4, false],
    ],
  )
  const published = join(process.env.ISOBAR_DATA ?? '../shared/data', 'faults/infinitehbd_faults.json')
  if (!existsSync(published)) return t.diagnostic(`not read: there is no ${published}; set ISOBAR_DATA`)
  const { servers, events: all } = readFaultTrace(readInput(published))
  assert.deepEqual([all.length, servers < 400], [1168, true])
})
