import type { Shape } from '#model/resources.ts'

/** Of a node for one hour, in millionths of a US dollar; absent where none is published: ask who has the contract. */
type Prices = { onDemandMicros?: number; spotMicros?: number }
type Instance = Prices & {
  accelerator?: string
  accelerators: number
  cpus: number
  memoryGiB: number
  diskGiB: number
}

/** Where prices and sizes are from, and of when. */
export const priceSource = "CoreWeave's list of 2026-09-20"

/** What CoreWeave sells, by the names of its instances (`node.kubernetes.io/instance-type`). */
const instances: Readonly<Record<string, Instance>> = {
  'gd-8xh100ib-i128': { ...hgx('H100'), onDemandMicros: 49_240_000, spotMicros: 19_710_000 },
  'gd-8xh200ib-i128': { ...hgx('H200'), onDemandMicros: 50_440_000, spotMicros: 20_930_000 },
  'b200-8x': { ...hgx('B200'), onDemandMicros: 68_800_000, spotMicros: 34_110_000 },
  'b300-8x': { ...hgx('B300'), spotMicros: 35_840_000 },
  'gb200-4x': { ...superchips('GB200'), onDemandMicros: 42_000_000 },
  'gb300-4x': superchips('GB300'),
  'cd-gp-a192-genoa': { accelerators: 0, cpus: 192, memoryGiB: 1536, diskGiB: 7000, onDemandMicros: 7_780_000 },
}

function hgx(accelerator: string): Instance {
  return { accelerator, accelerators: 8, cpus: 128, memoryGiB: 2048, diskGiB: 28_000 }
}

function superchips(accelerator: string): Instance {
  return { accelerator, accelerators: 4, cpus: 144, memoryGiB: 960, diskGiB: 28_000 }
}

/** The list price of a node for one hour; undefined where none is known. */
export const listMicros = (instance: string, isSpot: boolean): number | undefined =>
  isSpot ? instances[instance]?.spotMicros : instances[instance]?.onDemandMicros

/** What a node has of an instance of which none is there to be looked at. Called as one that is there. */
export function shapeOfInstance(name: string): Shape | undefined {
  const known = instances[name]
  if (!known) return undefined
  const { accelerator, accelerators, cpus, memoryGiB, diskGiB } = known
  return {
    name: accelerators > 0 ? `${accelerators}x${accelerator}-${name}` : name,
    ...(accelerator !== undefined && { accelerator }),
    accelerators,
    acceleratorMemoryMiB: 0,
    cpuMilli: cpus * 1000,
    memoryMiB: memoryGiB * 1024,
    diskMiB: diskGiB * 1024,
  }
}

/** Nodes of an NVL72 rack: CoreWeave gives whole racks only (docs.coreweave.com, NVL72-powered instances, 2026). */
const rackNodes = 18

/** By how many nodes a pool of an instance grows: by a rack where NVLink connects its nodes, else by one. */
export const stepOf = (instance: string): number => (/^gb[23]00-/.test(instance) ? rackNodes : 1)
