import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { readSpecs } from '#model/spec/read.ts'
import { stringify } from 'yaml'

import { importSpecs } from './imported.ts'

// Every leaf of a manifest is in the spec, told as left out, or one of the few that only say what the object is. What is
// looked for are texts that stand nowhere else, so that it is the spec that is asked, and not our own account.

/** A text that is there once. */
const token = fc.integer({ min: 0, max: 1e9 }).map((number) => `tok${number}en`)
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined })
const strange = fc.dictionary(
  fc.constantFrom(
    'frobnicate',
    'volumes',
    'hostNetwork',
    'securityContext',
    'priorityClassName',
    'dnsConfig',
    'selector',
  ),
  fc.oneof(
    token,
    fc.array(token, { minLength: 1, maxLength: 2 }),
    fc.dictionary(fc.constantFrom('inner', 'name'), token, { minKeys: 1 }),
  ),
  { maxKeys: 3 },
)
const environment = fc.array(
  fc.oneof(
    fc.record({ name: token, value: token }),
    fc.record({ name: token, valueFrom: fc.record({ secretKeyRef: fc.record({ name: token, key: token }) }) }),
    fc.record({ name: token, valueFrom: fc.record({ configMapKeyRef: fc.record({ name: token, key: token }) }) }),
    fc.record({ name: token.map((name) => `${name}.dot`), value: token }),
  ),
  { maxLength: 4 },
)
const container = fc.record(
  {
    name: fc.constant('main'),
    image: token,
    command: fc.array(token, { minLength: 1, maxLength: 3 }),
    args: maybe(fc.array(token, { maxLength: 3 })),
    workingDir: maybe(token.map((name) => `/${name}`)),
    env: maybe(environment),
    resources: maybe(
      fc.record({
        requests: maybe(
          fc.record({ cpu: fc.integer({ min: 1, max: 64 }), memory: fc.constantFrom('1Gi', '512Mi', '4000000') }),
        ),
        limits: maybe(fc.record({ 'nvidia.com/gpu': fc.integer({ min: 0, max: 8 }) })),
      }),
    ),
    strange,
  },
  { requiredKeys: ['name', 'image', 'command'] },
)
const flat = ({ strange: more, ...rest }: Record<string, unknown>): object => ({
  ...rest,
  ...(more as object | undefined),
})
const jobs = fc
  .record({
    labels: fc.dictionary(token, token, { maxKeys: 3 }),
    annotations: maybe(fc.dictionary(token, token, { minKeys: 1, maxKeys: 2 })),
    parallelism: maybe(fc.integer({ min: 1, max: 20 })),
    completions: maybe(fc.integer({ min: 1, max: 20 })),
    completionMode: maybe(fc.constantFrom('Indexed', 'NonIndexed')),
    containers: fc.array(container, { minLength: 1, maxLength: 2 }),
    nodeSelector: maybe(fc.dictionary(token, token, { maxKeys: 2 })),
    tolerations: maybe(
      fc.array(fc.record({ key: token, value: token, effect: fc.constantFrom('NoSchedule', 'PreferNoSchedule') }), {
        maxLength: 2,
      }),
    ),
    ofPod: strange,
    ofJob: strange,
  })
  .map(
    ({
      labels,
      annotations,
      parallelism,
      completions,
      completionMode,
      containers,
      nodeSelector,
      tolerations,
      ofPod,
      ofJob,
    }) => ({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'a-job', labels, annotations, uid: 'harmless', creationTimestamp: null },
      spec: {
        parallelism,
        completions,
        completionMode,
        template: { spec: { containers: containers.map(flat), nodeSelector, tolerations, ...ofPod } },
        ...ofJob,
      },
      status: { phase: 'harmless' },
    }),
  )

type Leaf = { path: string; value: unknown }
function leaves(value: unknown, path = ''): Leaf[] {
  if (value === null || value === undefined) return []
  if (typeof value !== 'object') return [{ path, value }]
  return Object.entries(value).flatMap(([key, inner]) =>
    leaves(inner, Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`),
  )
}

/** What says what the object is, and not what it does. */
const ofObject = /^(apiVersion|kind|metadata\.uid|status\.phase)$|\.containers\[0\]\.name$|\.effect$/

test('every leaf of a Job is in the spec, or told', () => {
  fc.assert(
    fc.property(jobs, (manifest) => {
      const text = stringify(manifest)
      const read = importSpecs({ text, filename: 'job.yaml' })
      assert.ok('specs' in read, JSON.stringify('problems' in read && read.problems))
      const told = read.notes.map(({ path }) => path)
      const isTold = (path: string): boolean =>
        told.some((place) => path === place || path.startsWith(`${place}.`) || path.startsWith(`${place}[`))
      for (const { path, value } of leaves(JSON.parse(JSON.stringify(manifest)))) {
        if (ofObject.test(path) || isTold(path)) continue
        if (typeof value === 'number' || path.endsWith('.completionMode') || path.endsWith('.memory'))
          assert.match(path, /\.(parallelism|completions|completionMode|cpu|memory|nvidia\.com\/gpu)$/)
        else assert.ok(read.text.includes(String(value)), `${path}: ${String(value)} is lost\n${text}\n${read.text}`)
      }
    }),
    { seed: 47, numRuns: 300 },
  )
})

test('what a Job says of nodes, accelerators, commands and variables is what the spec says', () => {
  fc.assert(
    fc.property(jobs, (manifest) => {
      const read = importSpecs({ text: stringify(manifest), filename: 'job.yaml' })
      assert.ok('specs' in read)
      const again = readSpecs(read.text, 'spec.yaml')
      assert.ok('specs' in again)
      const [{ spec } = assert.fail()] = again.specs
      const { parallelism = 1, completions, completionMode } = manifest.spec
      const [main = assert.fail()] = manifest.spec.template.spec.containers as {
        command: string[]
        env?: { name: string; value?: string }[]
        resources?: { requests?: { cpu: number }; limits?: { 'nvidia.com/gpu': number } }
      }[]
      const pods = completions ?? parallelism
      if (spec.kind === 'array') assert.equal(spec.tasks, pods)
      else assert.equal(spec.nodes, completionMode === 'Indexed' ? pods : 1)
      const gpus = main.resources?.limits?.['nvidia.com/gpu'] ?? 0
      assert.equal(spec.resources.accelerators[0]?.count ?? 0, gpus)
      assert.equal(spec.resources.cpuMilli.count, 1000 * (main.resources?.requests?.cpu ?? 0))
      for (const { name, value } of main.env ?? [])
        if (value !== undefined && !name.includes('.')) assert.equal(spec.env[name], value)
      assert.ok(spec.run.includes(main.command.join(' ')))
    }),
    { seed: 11, numRuns: 300 },
  )
})
