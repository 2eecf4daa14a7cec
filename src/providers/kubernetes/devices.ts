import { z } from 'zod'

import { keptIn } from './kept.ts'
import { quantity } from './quantity.ts'

// Devices that drivers tell of by themselves (dynamic resource allocation, `resource.k8s.io/v1`), and who has claimed them.

export const deviceLists = {
  slices: '/apis/resource.k8s.io/v1/resourceslices?',
  claims: { group: '/apis/resource.k8s.io/v1', kind: 'resourceclaims' },
} as const

const Metadata = z.object({ uid: z.string() })
const Attribute = z.object({ string: z.string().nullish() })
const Device = z.object({
  name: z.string(),
  attributes: z.record(z.string(), Attribute).nullish(),
  capacity: z.record(z.string(), z.object({ value: z.string() })).nullish(),
})

/** What a driver has at a node; of a pool only the slices of its latest generation count. */
export const ResourceSlice = z.object({
  metadata: Metadata,
  spec: z.object({
    driver: z.string(),
    nodeName: z.string().nullish(),
    pool: z.object({ name: z.string(), generation: z.int() }),
    devices: z.array(Device).nullish(),
  }),
})
export type ResourceSlice = z.output<typeof ResourceSlice>

export const ResourceClaim = z.object({
  metadata: Metadata,
  status: z
    .object({
      allocation: z
        .object({
          devices: z.object({
            results: z.array(z.object({ driver: z.string(), pool: z.string(), device: z.string() })).nullish(),
          }),
        })
        .nullish(),
    })
    .nullish(),
})
export type ResourceClaim = z.output<typeof ResourceClaim>

/** What makers call a whole accelerator. Each has a class of devices with the name of its driver. */
const accelerators: ReadonlyMap<string, string> = new Map([
  ['gpu.nvidia.com', 'gpu'],
  ['gpu.amd.com', 'amdgpu'],
])
/** Its channels are what pods share the memory of accelerators through (IMEX). */
const computeDomains = 'compute-domain.nvidia.com'

/** Whole accelerators of a node: of which class, what their maker calls them, how many others have. */
export type NodeAccelerators = {
  deviceClass: string
  product: string
  memoryBytes: number
  count: number
  taken: number
}

/** The devices of a cluster by node. */
export type Devices = {
  slices: Kept<ResourceSlice>
  /** For those of one list, each of which is in no other: claims of others, for ours are counted by what was leased. */
  claims(): Kept<ResourceClaim>
  isEmpty(): boolean
  acceleratorsOf(node: string): NodeAccelerators | null
  hasChannels(node: string): boolean
}

type Kept<T> = { clear(): void; put(object: T): void; remove(object: T): void }

export function createDevices(): Devices {
  const slices = new Map<string, ResourceSlice['spec']>()
  const claims: Map<string, string[]>[] = []
  let known: Known | null = null
  const now = (): Known => (known ??= knownOf([...slices.values()], takenIn(claims)))
  const forgetting = <T>({ clear, put, remove }: Kept<T>): Kept<T> => ({
    clear() {
      known = null
      clear()
    },
    put(object) {
      known = null
      put(object)
    },
    remove(object) {
      known = null
      remove(object)
    },
  })
  return {
    slices: forgetting(keptIn(slices, ({ spec }: ResourceSlice) => slim(spec))),
    claims() {
      const part = new Map<string, string[]>()
      claims.push(part)
      return forgetting(keptIn(part, takenBy))
    },
    isEmpty: () => slices.size === 0,
    acceleratorsOf: (node) => now().accelerators.get(node) ?? null,
    hasChannels: (node) => now().channels.has(node),
  }
}

const takenIn = (claims: readonly Map<string, string[]>[]): string[] =>
  claims.flatMap((part) => [...part.values()].flat())

const takenBy = ({ status }: ResourceClaim): string[] =>
  (status?.allocation?.devices.results ?? []).map(({ driver, pool, device }) => keyOf(driver, pool, device))

type Known = { accelerators: Map<string, NodeAccelerators>; channels: Set<string> }

function knownOf(slices: readonly ResourceSlice['spec'][], taken: readonly string[]): Known {
  const latest = new Map<string, number>()
  for (const { driver, pool } of slices) {
    const key = keyOf(driver, pool.name)
    latest.set(key, Math.max(pool.generation, latest.get(key) ?? 0))
  }
  const claimed = new Set(taken)
  const known: Known = { accelerators: new Map(), channels: new Set() }
  for (const { driver, nodeName, pool, devices } of slices) {
    if (nodeName == null || pool.generation !== latest.get(keyOf(driver, pool.name))) continue
    if (driver === computeDomains) known.channels.add(nodeName)
    for (const device of devices ?? []) {
      const before = known.accelerators.get(nodeName)
      const product = attributeOf(device, driver, 'productName')
      // A node has accelerators of one kind; what it has of another is nobody's to count.
      if (before && (before.deviceClass !== driver || before.product !== product)) continue
      const memoryBytes = quantity(device.capacity?.['memory']?.value ?? device.capacity?.[`${driver}/memory`]?.value)
      known.accelerators.set(nodeName, {
        deviceClass: driver,
        product,
        memoryBytes: Math.min(memoryBytes, before?.memoryBytes ?? Infinity),
        count: (before?.count ?? 0) + 1,
        taken: (before?.taken ?? 0) + Number(claimed.has(keyOf(driver, pool.name, device.name))),
      })
    }
  }
  return known
}

/** Without what is not counted: parts of accelerators, and devices of other drivers. */
const slim = (spec: ResourceSlice['spec']): ResourceSlice['spec'] => {
  const type = accelerators.get(spec.driver)
  const devices = spec.devices ?? []
  return {
    ...spec,
    devices: type === undefined ? [] : devices.filter((device) => attributeOf(device, spec.driver, 'type') === type),
  }
}

/** Drivers may leave out their own name before that of an attribute. */
const attributeOf = ({ attributes }: z.output<typeof Device>, driver: string, name: string): string =>
  attributes?.[name]?.string ?? attributes?.[`${driver}/${name}`]?.string ?? ''

/** None of these names has a space. */
const keyOf = (...names: string[]): string => names.join(' ')
