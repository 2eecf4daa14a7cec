import { execFile } from 'node:child_process'
import { readdir, statfs } from 'node:fs/promises'
import { availableParallelism, hostname, totalmem } from 'node:os'
import { promisify } from 'node:util'

import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'

const MiB = 1024 * 1024

/** A slice that an accelerator of this machine is cut into (MIG). */
export type MigInstance = { accelerator: number; profile: string; uuid: string }

/** This machine as one node, and the slices that its accelerators are cut into; `path` is where its disk is measured. */
export async function measureMachine(path: string): Promise<{ node: Node; slices: MigInstance[] }> {
  const [disk, shared, rdma, gpus, slices] = await Promise.all([
    statfs(path).catch(() => undefined),
    statfs('/dev/shm').catch(() => undefined),
    readdir('/sys/class/infiniband').catch(() => []),
    measureGpus(),
    measureSlices(),
  ])
  const shape: Shape = {
    name: 'this-machine',
    ...gpus,
    ...(slices.length > 0 && { mig: true }),
    cpuMilli: availableParallelism() * 1000,
    memoryMiB: Math.floor(totalmem() / MiB),
    diskMiB: disk ? Math.floor((disk.bavail * disk.bsize) / MiB) : 0,
    ...(shared && { sharedMemoryMiB: Math.floor((shared.blocks * shared.bsize) / MiB) }),
    ...(rdma.length > 0 && { network: ['rdma' as const] }),
  }
  const name =
    hostname()
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, '-') || 'node'
  return { node: { name, shape, path: [name], usable: true }, slices }
}

type Gpus = Pick<Shape, 'accelerator' | 'accelerators' | 'acceleratorMemoryMiB'>

const noGpus: Gpus = { accelerators: 0, acceleratorMemoryMiB: 0 }

const measureGpus = async (): Promise<Gpus> =>
  readGpus(await askDriver(['--query-gpu=name,memory.total', '--format=csv,noheader,nounits']))

const measureSlices = async (): Promise<MigInstance[]> => readSlices(await askDriver(['-L']))

async function askDriver(question: string[]): Promise<string> {
  try {
    return (await promisify(execFile)('nvidia-smi', question, { timeout: 5000, maxBuffer: MiB })).stdout
  } catch {
    return '' // none, or a driver that does not answer: nothing could run there either
  }
}

/** Reads what `nvidia-smi -L` lists: `GPU 0: …`, and below it `MIG 1g.10gb Device 0: (UUID: MIG-…)`. */
export function readSlices(list: string): MigInstance[] {
  let accelerator = -1
  const slices: MigInstance[] = []
  for (const line of list.split('\n')) {
    const gpu = /^GPU (\d+):/.exec(line)
    if (gpu) accelerator = Number(gpu[1])
    const slice = /^\s+MIG (\d+g\.\d+gb(?:\+me)?)\s+Device\s+\d+:\s*\(UUID:\s*(MIG-[0-9a-f-]+)\)/i.exec(line)
    if (slice?.[1] && slice[2]) slices.push({ accelerator, profile: slice[1].toLowerCase(), uuid: slice[2] })
  }
  return slices
}

/** Reads lines such as `NVIDIA H200, 143771`. Those unlike the first are left out: a shape has one kind. */
export function readGpus(csv: string): Gpus {
  const gpus = csv
    .split('\n')
    .map((line) => /^(.+), *(\d+)\s*$/.exec(line))
    .filter((match) => match !== null)
    .map(([, name = '', memory = '0']) => ({ model: gpuModel(name), memoryMiB: Number(memory) }))
  const [first] = gpus
  if (!first) return noGpus
  const same = gpus.filter(({ model }) => model === first.model)
  return {
    accelerator: first.model,
    accelerators: same.length,
    acceleratorMemoryMiB: Math.min(...same.map(({ memoryMiB }) => memoryMiB)),
  }
}

/** `NVIDIA A100-SXM4-80GB` → `A100`, `NVIDIA H100 80GB HBM3` → `H100`, `NVIDIA GeForce RTX 4090` → `RTX-4090`. */
function gpuModel(name: string): string {
  const plain = name.replaceAll(/\b(NVIDIA|Tesla|GeForce|Quadro)\b/g, '').trim()
  return (/^(RTX [A-Z]?\d+|[A-Z]+\d+[A-Z]*)/.exec(plain)?.[0] ?? plain)
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .slice(0, 40)
}
