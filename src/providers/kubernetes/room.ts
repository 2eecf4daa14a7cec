import { quantity } from './quantity.ts'
import type { PodUse } from './wire.ts'

/** What the pods of others take of nodes, as numbers: whole clusters of them are kept. */
export type Room = {
  /** For the pods of one list, each of which is in no other. */
  part(): Pods
  /** What they take of a node, with the accelerators that are called so as a resource there. */
  takenOf(node: string, resource: string): Amounts
}

export type Pods = {
  /** A pod is there, or asks for something else. One that has ended, or is on no node, takes nothing. */
  put(pod: PodUse): void
  remove(pod: PodUse): void
  clear(): void
}

export type Amounts = { cpuMilli: number; memoryMiB: number; diskMiB: number; accelerators: number }

/** Whole numbers, so that what is taken off again leaves nothing behind; `devices` by resource, null for none. */
type Use = { cpuMicro: number; memoryBytes: number; diskBytes: number; devices: Record<string, number> | null }

const mebibyte = 2 ** 20
const nothing = (): Use => ({ cpuMicro: 0, memoryBytes: 0, diskBytes: 0, devices: null })

export function createRoom(): Room {
  const nodes = new Map<string, Use>()
  return {
    part: () => partOf(nodes),
    takenOf(node, resource) {
      const { cpuMicro, memoryBytes, diskBytes, devices } = nodes.get(node) ?? nothing()
      return {
        cpuMilli: Math.ceil(cpuMicro / 1_000),
        memoryMiB: Math.ceil(memoryBytes / mebibyte),
        diskMiB: Math.ceil(diskBytes / mebibyte),
        accelerators: Math.ceil(devices?.[resource] ?? 0),
      }
    },
  }
}

function partOf(nodes: Map<string, Use>): Pods {
  const pods = new Map<string, { on: Use; use: Use }>()
  const remove: Pods['remove'] = ({ metadata: { uid } }) => {
    const before = pods.get(uid)
    if (before) add(before.on, before.use, -1)
    pods.delete(uid)
  }
  return {
    remove,
    put(pod) {
      remove(pod)
      const { metadata, spec, status } = pod
      const isOver = status.phase === 'Succeeded' || status.phase === 'Failed'
      if (spec.nodeName == null || spec.nodeName === '' || isOver) return
      const on = nodes.get(spec.nodeName) ?? nothing()
      nodes.set(spec.nodeName, on)
      const use = useOf(spec)
      add(on, use, 1)
      pods.set(metadata.uid, { on, use })
    },
    clear() {
      for (const { on, use } of pods.values()) add(on, use, -1)
      pods.clear()
    },
  }
}

function add(to: Use, { cpuMicro, memoryBytes, diskBytes, devices }: Use, times: 1 | -1): void {
  to.cpuMicro += times * cpuMicro
  to.memoryBytes += times * memoryBytes
  to.diskBytes += times * diskBytes
  for (const [name, count] of Object.entries(devices ?? {})) {
    to.devices ??= {}
    to.devices[name] = (to.devices[name] ?? 0) + times * count
  }
}

/** What the scheduler counts as used: what containers ask for, or one of those that run before them, if that is more. */
function useOf({ containers, initContainers }: PodUse['spec']): Use {
  const together = nothing()
  const stays = initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')
  for (const one of [...containers, ...stays]) add(together, asked(one), 1)
  return initContainers
    .filter(({ restartPolicy }) => restartPolicy !== 'Always')
    .map(asked)
    .reduce(most, together)
}

const most = (one: Use, other: Use): Use => ({
  cpuMicro: Math.max(one.cpuMicro, other.cpuMicro),
  memoryBytes: Math.max(one.memoryBytes, other.memoryBytes),
  diskBytes: Math.max(one.diskBytes, other.diskBytes),
  devices: one.devices && other.devices ? mostDevices(one.devices, other.devices) : (one.devices ?? other.devices),
})

const mostDevices = (one: Record<string, number>, other: Record<string, number>): Record<string, number> =>
  Object.fromEntries(
    Object.keys({ ...one, ...other }).map((name) => [name, Math.max(one[name] ?? 0, other[name] ?? 0)]),
  )

function asked({ resources: { requests } }: PodUse['spec']['containers'][number]): Use {
  const others = Object.entries(requests).filter(([name]) => name.includes('/'))
  return {
    cpuMicro: Math.round(quantity(requests['cpu']) * 1e6),
    memoryBytes: Math.round(quantity(requests['memory'])),
    diskBytes: Math.round(quantity(requests['ephemeral-storage'])),
    devices: others.length > 0 ? Object.fromEntries(others.map(([name, amount]) => [name, quantity(amount)])) : null,
  }
}
