/** What nodes with names have. */
export const namedShape = {
  name: 'sim-4-h100',
  accelerator: 'H100',
  accelerators: 4,
  acceleratorMemoryMiB: 81_920,
  cpuMilli: 4_000,
  memoryMiB: 16_384,
  diskMiB: 102_400,
}

/** What others have in stories in which a gang stands on nodes of two shapes: no accelerators, and much memory. */
export const roomyShape = {
  name: 'sim-roomy',
  accelerators: 0,
  acceleratorMemoryMiB: 0,
  cpuMilli: 4_000,
  memoryMiB: 65_536,
  diskMiB: 102_400,
}

/** What the nodes of simulated fleets have, unless a story says otherwise. */
export const shape = {
  name: 'sim-4',
  accelerators: 0,
  acceleratorMemoryMiB: 0,
  cpuMilli: 4_000,
  memoryMiB: 16_384,
  diskMiB: 102_400,
}
