import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Project } from '#model/project.ts'
import { aFleet, aReplay, someJobs } from '#simulator/builders.ts'
import { divisionOf } from '#simulator/replay/division.ts'
import { jainIndex } from '#simulator/replay/fairness.ts'
import type { Fleet } from '#simulator/scenario/fleet.ts'
import { plainProject } from '#simulator/scenario/projects.ts'
import { inputOf } from '#simulator/traces/input.ts'
import type { Job } from '#simulator/traces/job.ts'

import { workBoundMs } from './bounds.ts'
import { htmlOf } from './html.ts'
import { countAxis } from './plot.ts'
import { readReport } from './read-report.ts'
import { compare, type Report } from './report.ts'
import { reportRun } from './run-report.ts'
import { sheetsOf } from './sheets.ts'
import { differenceText, timeText, valueText } from './value-text.ts'

const hour = 3_600_000

function reportOf(fleet: Fleet, jobs: Job[], ...policies: string[]): Report {
  const runs = policies.map((policy) => {
    const { replay } = aReplay({ fleet, jobs, policy })
    while (replay.step());
    return reportRun(fleet, replay.outcome())
  })
  const described = { file: 'fleet.yaml', nodes: fleet.nodes, gpus: 8, cpus: 0 }
  const traces = [{ file: '<jobs>.csv', format: 'csv', jobs: jobs.length }]
  return {
    version: 1,
    seed: 1,
    fleet: described,
    traces,
    scenario: null,
    projects: null,
    events: [],
    interrupted: false,
    runs,
  }
}

const fleet = aFleet({ priceMicros: 8_000_000 })
const jobs = someJobs(
  [0, 8, 3 * hour, { kind: 'long', project: 'a' }],
  [hour, 4, hour, { kind: 'short', project: 'b' }],
)

test('who could not end by its deadline and was told so has missed it, and so has who ended late', () => {
  const late = someJobs([0, 8, hour], [1, 8, hour, { deadlineMs: hour }])
  const missed = (policy: string) => {
    const { replay } = aReplay({ fleet, jobs: late, policy })
    while (replay.step());
    return reportRun(fleet, replay.outcome()).figures.deadlinesMissed
  }
  assert.deepEqual([missed('isobar'), missed('fifo')], [1, 1])
})

test('the figures of a run are those that one finds by hand', () => {
  const [run] = reportOf(fleet, jobs, 'fifo').runs
  assert.deepEqual(run?.figures, {
    jobs: 2,
    ended: 2,
    waiting: 0,
    running: 0,
    coming: 0,
    refused: 0,
    deadlinesMissed: 0,
    waitMeanMs: hour,
    waitP50Ms: 0,
    waitP99Ms: 2 * hour,
    waitInAllMeanMs: hour,
    completionMeanMs: 3 * hour,
    completionP50Ms: 3 * hour,
    completionP99Ms: 3 * hour,
    makespanMs: 4 * hour,
    makespanBoundMs: 3.5 * hour,
    utilisation: 0.875,
    availability: 1,
    fragmentation: 0.125,
    preemptions: 0,
    losses: 0,
    lostHours: 0,
    restartHours: 0,
    costMicros: '32000000',
    costBoundMicros: '28000000',
    costRatio: 1.1429,
    // a had 24 hours, and its fair share was 8 + 4 + 4; b had 4, and its share was 0 + 4 + 4 + 4.
    jain: 0.7118,
    shareError: 0.25,
  })
  assert.deepEqual(
    run?.kinds.map(({ kind, waitMeanMs }) => [kind, waitMeanMs]),
    [
      ['long', 0],
      ['short', 2 * hour],
    ],
  )
})

const divided = (terms: readonly Project[], asked: readonly number[]): number[] => {
  const shares = new Float64Array(terms.length)
  divisionOf(
    terms.map(({ name }) => name),
    terms,
  )(Float64Array.from(asked), 20, shares)
  return [...shares]
}

test('by weight whoever asks for more gets more, and projects of a tree divide what it gets', () => {
  const [one, three] = [plainProject('one'), plainProject('three', { weight: 3 })]
  assert.deepEqual(divided([one, three], [100, 100]), [5, 15])
  assert.deepEqual(divided([one, three], [100, 7]), [13, 7])
  assert.deepEqual(divided([one, three], [2, 100]), [2, 18])
  const parts = [plainProject('a', { parent: 'three' }), plainProject('b', { parent: 'three', weight: 2 })]
  // What the group asks for itself goes first.
  assert.deepEqual(divided([one, three, ...parts], [100, 3, 100, 100]), [5, 3, 4, 8])
  assert.deepEqual(divided([one, three, ...parts], [100, 0, 3, 100]), [5, 0, 3, 12])
})

test('who has what its weight gives it is treated fairly, and is told so', () => {
  const projects = [plainProject('a'), plainProject('b', { weight: 3 })]
  const four = aFleet({ count: 4 })
  const many = ['a', 'b'].flatMap((project) =>
    Array.from({ length: 40 }, () => [0, 8, hour, { project }] as [number, number, number, object]),
  )
  const { replay } = aReplay({ fleet: four, policy: 'fair', projects, jobs: someJobs(...many) })
  for (let i = 0; i < 10; i++) replay.step()
  const { figures, projects: told } = reportRun(four, replay.outcome())
  assert.deepEqual([figures.jain, figures.shareError], [1, 0])
  assert.deepEqual(
    told.map(({ project, weight, hours, fairHours }) => [project, weight, hours, fairHours]),
    [
      ['a', 1, 72, 72],
      ['b', 3, 216, 216],
    ],
  )
})

test('shares are max-min fair: nobody has more than it asks for, and the rest is divided', () => {
  const four = ['a', 'b', 'c', 'd'].map((name) => plainProject(name))
  assert.deepEqual(divided(four, [1, 100, 4, 100]), [1, 7.5, 4, 7.5])
  assert.deepEqual(divided(four.slice(0, 2), [3, 4]), [3, 4])
  assert.equal(jainIndex([5, 5, 5]), 1)
  assert.equal(jainIndex([1, 0, 0, 0]), 0.25)
})

test('no schedule ends before the bound of its work, with what arrives late counted from then', () => {
  assert.equal(workBoundMs(fleet, someJobs([0, 1, 10], [100, 8, 50], [100, 8, 50])), 200)
  assert.equal(workBoundMs(fleet, someJobs([0, 1, 500], [100, 8, 50])), 500)
})

test('two runs are compared figure by figure, with signs, and told apart by their decisions', () => {
  const [before, now] = [reportOf(fleet, jobs, 'fifo'), reportOf(fleet, jobs, 'sjf', 'srtf')]
  assert.deepEqual(compare(now, before), [], 'of several, only equal policies are compared')
  const [same] = compare(before, before)
  assert.ok(same?.sameDecisions)
  assert.deepEqual(sheetsOf(before, [same]).at(1), {
    title: 'fifo against the earlier run: the same decisions',
    head: ['FIGURE', 'BEFORE', 'NOW', 'DIFFERENCE'],
    rows: [['no figure differs', '', '', ''].map((text) => ({ text }))],
  })
  const [disturbed] = compare({ ...before, scenario: 'a/week.yaml', seed: 2 }, before)
  assert.deepEqual(disturbed?.inputs, ['scenario none, now week.yaml', 'seed 1, now 2'])
  assert.ok(same.differences.every(({ difference }) => difference === 0 || difference === '0'))
  const [other] = compare(reportOf(fleet, jobs, 'srtf'), before)
  assert.deepEqual([other?.policy, other?.against, other?.sameDecisions], ['srtf', 'fifo', false])
  assert.deepEqual(
    other?.differences.find(({ figure }) => figure === 'waitMeanMs'),
    { figure: 'waitMeanMs', before: hour, now: 0, difference: -hour },
  )
  const read = readReport(inputOf('a.json', JSON.stringify(before)))
  assert.deepEqual(read, before)
  assert.throws(
    () => readReport(inputOf('a.json', '{"version": 2}')),
    /a\.json:1:13: version[^]*fix: write it like what/,
  )
})

test('values are short for people, and differences always have a sign', () => {
  assert.deepEqual([0, 999, 12_500, 3_600_000, 9_999_999_999].map(timeText), ['0ms', '999ms', '12.5s', '1h', '116d'])
  assert.equal(valueText('jobs', 82_247), '82,247')
  assert.equal(valueText('costMicros', '1234567890123'), '$1,234,567')
  assert.equal(valueText('costMicros', '12345678'), '$12.34')
  assert.equal(valueText('utilisation', 0.5), '50.00 %')
  assert.equal(differenceText('utilisation', -0.0123), '−1.23 points')
  assert.equal(differenceText('waitMeanMs', 5000), '+5s')
  assert.equal(differenceText('jobs', 0), '=')
})

test('the page needs nothing else, holds every number of the tables, and obeys nothing that a trace says', () => {
  const hostile = someJobs([0, 8, hour, { kind: '<script>alert(1)</script>', project: '"><img src=x>' }], [0, 8, hour])
  const report = reportOf(fleet, [...jobs, ...hostile], 'fifo', 'fair')
  const html = htmlOf(report, compare(report, report))
  assert.doesNotMatch(html, /<script|<link|<img|@import|url\(|https?:/i)
  assert.match(html, /^<!doctype html>/)
  assert.equal(html.match(/<svg /g)?.length, 4)
  assert.doesNotMatch(html, /NaN|undefined|Infinity/)
  for (const { rows } of sheetsOf(report, []))
    for (const row of rows)
      for (const { text } of row) if (/^[\d.,]+$/.test(text)) assert.ok(html.includes(`<td>${text}</td>`), text)
})

test('outages and steps of prices are shaded on what goes over time', () => {
  const events = [{ fromMs: hour, toMs: null, text: 'aws/<east> is lost' }]
  const html = htmlOf({ ...reportOf(fleet, jobs, 'fifo'), events }, [])
  assert.equal(html.match(/<rect class="band"[^>]*><title>aws\/&lt;east&gt; is lost<\/title>/g)?.length, 2)
  assert.equal(html.match(/<span class="key event">shaded: what the scenario does<\/span>/g)?.length, 2)
  assert.doesNotMatch(htmlOf(reportOf(fleet, jobs, 'fifo'), []), /class="key event"/)
})

test('of a run that was broken off nothing is told that only its end would show', () => {
  const { replay } = aReplay({ fleet, policy: 'fifo', jobs })
  replay.step()
  const run = reportRun(fleet, replay.outcome())
  const { running, waiting, coming, makespanBoundMs } = run.figures
  assert.ok(Number(running) + Number(waiting) + Number(coming) > 0)
  assert.equal(makespanBoundMs, null, 'the bound is that of all the work, and not of a part of it')
  assert.deepEqual(
    run.kinds.map(({ kind, waitMeanMs, completionMeanMs }) => [kind, waitMeanMs, completionMeanMs]),
    [
      ['long', 0, null],
      ['short', null, null],
    ],
  )
  const waits = ({ projects }: typeof run) => projects.map(({ project, waitMeanMs }) => [project, waitMeanMs])
  assert.deepEqual(waits(run), [
    ['a', 0],
    ['b', null],
  ])
  const report: Report = { ...reportOf(fleet, jobs, 'fifo'), interrupted: true, runs: [run] }
  const [, kinds, projects] = sheetsOf(report, [])
  assert.deepEqual(
    projects?.rows.map((row) => row[2]?.text),
    ['0ms', ''],
  )
  assert.deepEqual(
    kinds?.rows.map((row) => row.map(({ text }) => text)),
    [
      ['long', '1', '0ms', '0ms', '0ms', ''],
      ['short', '1', '', '', '', ''],
    ],
  )
})

test('the marks of one axis are in one unit', () => {
  assert.deepEqual(
    countAxis(12_000).ticks.map(({ text }) => text),
    ['0', '5k', '10k', '15k'],
  )
  assert.deepEqual(
    countAxis(1_400_000).ticks.map(({ text }) => text),
    ['0', '0.5M', '1M', '1.5M'],
  )
  assert.deepEqual(
    countAxis(8000).ticks.map(({ text }) => text),
    ['0', '2000', '4000', '6000', '8000'],
  )
})

test('a run in which nothing could start still makes a report and a page', () => {
  const report = reportOf(fleet, someJobs([0, 9, hour]), 'fifo')
  assert.equal(report.runs[0]?.figures.refused, 1)
  assert.doesNotMatch(htmlOf(report, []), /NaN|undefined|Infinity/)
})
