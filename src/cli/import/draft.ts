import type { z } from 'zod'

import type { CheckpointField, DurationField, PlacementField, ReadinessField, RetryField } from '#model/spec/fields.ts'
import type { TopologyField } from '#model/spec/topology.ts'

/** What one node must have, as a spec writes it. */
export type DraftResources = {
  accelerators?: string | string[] | { any: string[] }
  cpus?: string
  memory?: string
  disk?: string
  sharedMemory?: string
  network?: 'rdma' | { rdma: 'preferred' }
}

export type DraftRole = {
  name: string
  nodes: number
  resources?: DraftResources
  run?: string
  env?: Record<string, string>
}

/** A spec that is being made, as a person would write it; in the end the reader of specs judges it. */
export type Draft = {
  kind: 'job' | 'service' | 'array'
  name: string
  labels?: Record<string, string>
  nodes?: number
  tasks?: number
  parallelism?: number
  replicas?: number
  ports?: number[]
  readiness?: z.input<typeof ReadinessField>
  resources?: DraftResources
  image?: string
  workdir?: string
  setup?: string
  run?: string
  roles?: DraftRole[]
  env?: Record<string, string>
  secrets?: string[]
  topology?: z.input<typeof TopologyField>
  placement?: z.input<typeof PlacementField>
  duration?: z.input<typeof DurationField>
  priority?: number
  checkpoint?: z.input<typeof CheckpointField>
  retry?: z.input<typeof RetryField>
}

/** The order in which people look for things. */
const order = (
  'kind name labels nodes tasks parallelism replicas ports readiness resources image workdir setup run roles env secrets topology ' +
  'placement duration priority checkpoint retry'
).split(' ')

/** The draft with its fields in order, without those that say nothing. */
export const inOrder = (draft: Draft): Draft => {
  const sorted = Object.entries(draft).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
  return Object.fromEntries(sorted.filter(([, value]) => saysSomething(value))) as Draft // the same fields
}

const saysSomething = (value: unknown): boolean =>
  value !== undefined && !(typeof value === 'object' && value !== null && Object.keys(value).length === 0)

const longestName = 63

/** A name that a spec may have, from one that it may not: `My_Model.v2` is `my-model-v2`. */
export const nameFrom = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+/g, '')
    .slice(0, longestName)
    .replaceAll(/-+$/g, '') || 'imported'
