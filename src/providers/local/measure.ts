import { execFile } from 'node:child_process'
import { statfs } from 'node:fs/promises'
import { availableParallelism, hostname, totalmem } from 'node:os'
import { promisify } from 'node:util'

import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'

const MiB = 1024 * 1024

/** This machine as one node; `path` is where its disk is measured. */
export async function measureMachine(path: string): Promise<Node> {
  const [disk, gpus] = await Promise.all([statfs(path).catch(() => undefined), measureGpus()])
  const shape: Shape = {
    name: 'this-machine',
    ...gpus,
    cpuMilli: availableParallelism() * 1000,
    memoryMiB: Math.floor(totalmem() / MiB),
    diskMiB: disk ? Math.floor((disk.bavail * disk.bsize) / MiB) : 0,
  }
  const name =
    hostname()
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, '-') || 'node'
  return { name, shape, path: [name], usable: true }
}

type Gpus = Pick<Shape, 'accelerator' | 'accelerators' | 'acceleratorMemoryMiB'>

const noGpus: Gpus = { accelerators: 0, acceleratorMemoryMiB: 0 }

async function measureGpus(): Promise<Gpus> {
  try {
    const query = ['--query-gpu=name,memory.total', '--format=csv,noheader,nounits']
    return readGpus((await promisify(execFile)('nvidia-smi', query, { timeout: 5000, maxBuffer: MiB })).stdout)
  } catch {
    return noGpus // none, or a driver that does not answer: nothing could run there either
  }
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
