import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { inputOf, readInput } from '#simulator/traces/input.ts'
import { readMuriJobs } from '#simulator/traces/muri.ts'
import { asPrinted, publishedMuri } from '#simulator/traces/published-muri.ts'

import { replayMuri } from './muri.ts'

const folder = join(process.env.ISOBAR_DATA ?? '../shared/data', 'muri')
const header = 'job_id,num_gpu,submit_time,iterations,model_name,iteration_time'
const jobs = (...lines: string[]) => readMuriJobs(inputOf('small.csv', [header, ...lines].join('\n')))

test('a job alone takes its iterations times their time, with 1.5 % on top', () => {
  const { meanSeconds, makespanSeconds, plans } = replayMuri(jobs('0,8,5000,1000,bert,1000'), 'srtf')
  assert.deepEqual([meanSeconds.toFixed(6), makespanSeconds.toFixed(6), plans], ['1015.000000', '1020.000000', 2])
})

test('whoever runs when another comes pays a start, and the shorter one goes first', () => {
  const two = jobs('0,64,0,1000,bert,1000', '1,64,100000,100,vgg16,1000')
  const { makespanSeconds, meanSeconds } = replayMuri(two, 'srtf')
  // The first loses ten seconds of its hundred, waits for the 101.5 s of the second, and then runs on.
  assert.equal(makespanSeconds.toFixed(6), (100 + 101.5 + 1015 - 90).toFixed(6))
  assert.equal(meanSeconds.toFixed(6), ((101.5 + makespanSeconds) / 2).toFixed(6))
})

test('SRTF takes the shorter first, SRSF the one that asks for less in all', () => {
  const two = jobs('0,64,0,100,bert,1000', '1,8,0,500,bert,1000')
  assert.equal(replayMuri(two, 'srtf').meanSeconds.toFixed(3), (1.015 * 350).toFixed(3))
  assert.equal(replayMuri(two, 'srsf').meanSeconds.toFixed(3), (1.015 * 550).toFixed(3))
})

test(
  'all published figures of SRTF and SRSF come out to the printed digit',
  { skip: !existsSync(folder) && `needs ${folder}; set ISOBAR_DATA` },
  () => {
    const published = publishedMuri(readInput(join(folder, 'published.csv')))
    assert.equal(published.length, 12)
    for (const { trace, policy, metric, text } of published) {
      const result = replayMuri(readMuriJobs(readInput(join(folder, `${trace}.csv`))), policy)
      assert.equal(asPrinted(result[metric], text), text, `${trace} ${policy} ${metric}`)
    }
  },
)
