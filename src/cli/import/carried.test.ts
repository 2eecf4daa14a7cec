import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { importSpecs } from './imported.ts'
import { kindsOfObjects } from './kubernetes/manifest.ts'

// The page says what is carried over. It says what the code did with the examples, no more and no less.

const root = fileURLToPath(new URL('../../..', import.meta.url))
const page = join(root, 'docs/how-to/bring-your-files.md')

/** Fields of pods are the same in each kind that has pods. */
const ofPod = /^.*\b(?:template|leaderTemplate|workerTemplate)\.(spec|metadata)\./

function tables(): string {
  const rows = new Map<string, Map<string, Set<string>>>(
    [...kindsOfObjects, 'a pod', 'sbatch', 'a task of SkyPilot'].map((kind) => [kind, new Map()]),
  )
  for (const file of globSync('examples/import/*', { cwd: root }).sort()) {
    const read = importSpecs({ text: readFileSync(join(root, file), 'utf8'), filename: file, entrypoint: 'vllm serve' })
    assert.ok('carried' in read)
    for (const { kind, from, to } of read.carried) {
      const isPod = ofPod.test(from) && !/replicatedJobs\[\]\.template\.spec\.(?!template)/.test(from)
      const name = (isPod ? from.replace(ofPod, '$1.') : from).replace(/\[\]$/, '')
      const ofKind = rows.get(isPod ? 'a pod' : kind)
      assert.ok(ofKind, kind)
      const fields = ofKind.get(name) ?? new Set()
      for (const field of to.split(', ')) fields.add(field)
      ofKind.set(name, fields)
    }
  }
  return [...rows].map(([kind, fields]) => tableOf(kind, fields)).join('\n')
}

function tableOf(kind: string, fields: Map<string, Set<string>>): string {
  const rows = [...fields]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([from, to]) => {
      const into = [...to].sort().map((field) => `\`${field}\``)
      return `| \`${from}\` | ${into.join(', ')} |\n`
    })
  return `### ${kind}\n\n| there | in a spec |\n|---|---|\n${rows.join('')}`
}

test('the page of imports says what is carried over, as the examples are read', () => {
  const [, told = ''] = readFileSync(page, 'utf8').split('## What is carried over\n\n')
  assert.equal(told, tables(), 'put these tables there')
})
