/** What the nodes of simulated fleets have, unless a story says otherwise. */
export const shape = {
  name: 'sim-4',
  accelerators: 0,
  acceleratorMemoryMiB: 0,
  cpuMilli: 4_000,
  memoryMiB: 16_384,
  diskMiB: 102_400,
}
