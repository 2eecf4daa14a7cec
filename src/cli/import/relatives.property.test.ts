import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'
import { stringify } from 'yaml'

import { formatDuration } from '#kit/duration.ts'
import { importSpecs } from './imported.ts'

// The relatives of a Job have templates of pods as it has, and several of them: what one of them says alone, or otherwise
// than another, is in the spec or told as well.

const number = fc.integer({ min: 1, max: 1e6 })
/** A text that is there once. */
const token = number.map((one) => `tok${one}en`)
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined })
/** What no spec says, or another part of it. */
const strange = fc.dictionary(
  fc.constantFrom('frobnicate', 'dnsConfig', 'selector', 'failurePolicy', 'strategy', 'network', 'startupPolicy'),
  fc.oneof(token, fc.dictionary(fc.constantFrom('inner', 'name'), token, { minKeys: 1 })),
  { maxKeys: 2 },
)
const labels = maybe(fc.record({ labels: fc.dictionary(token, token, { minKeys: 1, maxKeys: 2 }) }))
const port = fc.integer({ min: 20_000, max: 60_000 })

/** A template of pods. Alike in many things, so that roles and ranks of one kind come out of it too. */
const template = (container: string) =>
  fc
    .record({
      metadata: labels,
      image: fc.constantFrom('image-a', 'image-b'),
      command: fc.constantFrom(['serve'], ['work', 'hard']),
      args: maybe(fc.array(token, { minLength: 1, maxLength: 2 })),
      env: maybe(
        fc.uniqueArray(fc.record({ name: token, value: token }), { maxLength: 2, selector: ({ name }) => name }),
      ),
      gpus: fc.constantFrom(undefined, 1, 8),
      port: maybe(port),
      probed: maybe(fc.record({ path: token.map((name) => `/${name}`), period: fc.integer({ min: 2, max: 1000 }) })),
      nodeSelector: maybe(fc.dictionary(token, token, { minKeys: 1, maxKeys: 1 })),
      grace: maybe(fc.integer({ min: 2, max: 3000 })),
      initContainers: maybe(
        fc.tuple(fc.record({ name: fc.constant('first'), image: fc.constant('image-a'), command: fc.tuple(token) })),
      ),
      strange,
    })
    .map(({ metadata, gpus, port: at, probed, grace, nodeSelector, initContainers, strange: more, ...rest }) => ({
      metadata,
      spec: {
        containers: [
          {
            name: container,
            ...rest,
            ...(gpus !== undefined && { resources: { limits: { 'nvidia.com/gpu': gpus } } }),
            ...(at !== undefined && { ports: [{ containerPort: at }] }),
            ...(at !== undefined &&
              probed && { readinessProbe: { httpGet: { path: probed.path, port: at }, periodSeconds: probed.period } }),
          },
        ],
        nodeSelector,
        initContainers,
        terminationGracePeriodSeconds: grace,
        ...more,
      },
    }))

const object = (apiVersion: string, kind: string, spec: fc.Arbitrary<object>) =>
  fc.record({
    apiVersion: fc.constant(apiVersion),
    kind: fc.constant(kind),
    metadata: labels.map((more) => ({ name: 'its-name', ...more })),
    spec: fc.tuple(spec, strange).map(([its, more]) => ({ ...more, ...its })),
  })

const seconds = maybe(fc.integer({ min: 2, max: 100_000 }))
const few = fc.integer({ min: 1, max: 3 })
const named = <T>(kind: fc.Arbitrary<T>) => fc.array(kind, { minLength: 1, maxLength: 3 })

const objects = [
  object(
    'jobset.x-k8s.io/v1alpha2',
    'JobSet',
    fc.record({
      replicatedJobs: named(
        fc.record({
          name: token,
          replicas: maybe(few),
          template: fc.record({
            metadata: labels,
            spec: fc
              .record({ parallelism: few, activeDeadlineSeconds: seconds, template: template('main'), strange })
              .map(({ strange: more, ...rest }) => ({ ...more, ...rest, completions: rest.parallelism })),
          }),
        }),
      ),
    }),
  ),
  object(
    'kubeflow.org/v1',
    'PyTorchJob',
    fc.record({
      nprocPerNode: maybe(fc.constant('8')),
      runPolicy: maybe(fc.record({ activeDeadlineSeconds: seconds, cleanPodPolicy: token })),
      pytorchReplicaSpecs: fc.record({
        Master: maybe(fc.record({ replicas: fc.constant(1), restartPolicy: token, template: template('pytorch') })),
        Worker: fc.record({ replicas: few, template: template('pytorch') }),
      }),
    }),
  ),
  object(
    'ray.io/v1',
    'RayJob',
    fc.record({
      entrypoint: token,
      activeDeadlineSeconds: seconds,
      rayClusterSpec: fc.record({
        headGroupSpec: fc.record({
          rayStartParams: maybe(fc.record({ 'dashboard-host': token })),
          template: template('ray-head'),
        }),
        workerGroupSpecs: named(fc.record({ groupName: token, replicas: few, template: template('ray-worker') })),
      }),
    }),
  ),
  object('apps/v1', 'Deployment', fc.record({ replicas: few, template: template('main') })),
  object(
    'leaderworkerset.x-k8s.io/v1',
    'LeaderWorkerSet',
    fc.record({
      replicas: few,
      leaderWorkerTemplate: fc.record({
        size: fc.integer({ min: 2, max: 4 }),
        leaderTemplate: maybe(template('main')),
        workerTemplate: template('main'),
      }),
    }),
  ),
] as const

type Leaf = { path: string; value: unknown }
function leaves(value: unknown, path = ''): Leaf[] {
  if (value === null || value === undefined) return []
  if (typeof value !== 'object') return [{ path, value }]
  return Object.entries(value).flatMap(([key, inner]) =>
    leaves(inner, Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`),
  )
}

/** What says what the object or a part of it is, and not what it does. */
const ofObject = /^(apiVersion|kind)$|ontainers\[0\]\.name$|\.replicatedJobs\[\d\]\.name$|\.groupName$/
/** What templates have to agree on is told of a template as a whole; the rest of it is not told by that. */
const ofTemplate: Readonly<Record<string, RegExp>> = {
  image: /\.image$/,
  setup: /\.initContainers/,
  placement: /\.nodeSelector/,
  grace: /\.terminationGracePeriodSeconds$/,
  resources: /\.resources/,
}
const covers = ({ path: place, message }: { path: string; message: string }, path: string): boolean => {
  const [, field] = /^all nodes .* have the (?:same )?(\w+)/.exec(message) ?? []
  const isBelow = path === place || path.startsWith(`${place}.`) || path.startsWith(`${place}[`)
  return isBelow && (field === undefined || ofTemplate[field]?.test(path) === true)
}
/** Numbers that become one of the spec, with those of other templates: how many of what. */
const counted = /\.(parallelism|completions|replicas|size|nprocPerNode)$/
/** How a number is written in a spec. */
const written: readonly [RegExp, (value: number) => string][] = [
  [/\.activeDeadlineSeconds$/, (value) => `maximum: ${formatDuration(value * 1000)}`],
  [/\.terminationGracePeriodSeconds$/, (value) => `grace: ${value}s`],
  [/\.periodSeconds$/, (value) => `period: ${value}s`],
  [/\.nvidia\.com\/gpu$/, (value) => `:${value}`],
  [/./, String],
]

for (const manifests of objects) {
  const [{ kind } = assert.fail()] = fc.sample(manifests, 1)
  test(`every leaf of a ${kind} is in the spec, or told`, () => {
    fc.assert(
      fc.property(manifests, (manifest) => {
        const text = stringify(JSON.parse(JSON.stringify(manifest)))
        const read = importSpecs({ text, filename: 'object.yaml' })
        if (!('specs' in read)) return void assert.match(JSON.stringify(read.problems), /a service serves a port/)
        const isTold = (path: string) => read.notes.some((note) => covers(note, path))
        for (const { path, value } of leaves(JSON.parse(JSON.stringify(manifest)))) {
          if (ofObject.test(path) || counted.test(path) || isTold(path)) continue
          const [, say = String] = written.find(([where]) => where.test(path)) ?? []
          const wanted = typeof value === 'number' ? say(value) : String(value)
          assert.ok(
            read.text.includes(wanted),
            `${path}: ${wanted} is lost\n${text}\n${read.text}\n${JSON.stringify(read.notes)}`,
          )
        }
      }),
      { seed: 61, numRuns: 100 },
    )
  })
}
