import { randomBytes } from 'node:crypto'

import type { CredentialedOrder } from '#model/order.ts'
import type { Rig } from '#providers/conformance.ts'
import { createClient } from '#providers/kubernetes/client.ts'
import { KubernetesConfig } from '#providers/kubernetes/config.ts'
import { createKubernetes } from '#providers/kubernetes/kubernetes.ts'
import { openFaultProxy } from '#rigs/fault-proxy.ts'
import { addAccount, addNamespace } from './cluster.ts'
import type { ControlPlane } from './control-plane.ts'
import { annotationsOf, type Played, playing } from './play.ts'
import { evict } from './troubles.ts'

type Changes = Partial<Omit<CredentialedOrder, 'ranks'>> & { ranks?: number; cpuMilli?: number }

const account = 'isobar'

/**
 * A site on the rig's control plane: a namespace of its own, with an account that has the rights that the product asks
 * for and no others, reached through a proxy that can be cut. What ranks do is played by KWOK (`play.ts`).
 */
export async function openSite(plane: ControlPlane): Promise<Rig> {
  const name = `site-${randomBytes(4).toString('hex')}`
  await addNamespace(plane, name)
  const token = await addAccount(plane, { name: account, namespace: name, groups: plane.gangs })
  const proxy = await openFaultProxy({ target: { host: '127.0.0.1', port: plane.port }, draw: Math.random })
  const kubeconfig = plane.kubeconfigFor(name, { token, server: `https://127.0.0.1:${proxy.port}` })
  const { sites } = KubernetesConfig.parse({ sites: [{ name, kubeconfig, namespace: name, image: 'rig' }] })
  const played: Played = new Map()
  const clientOf: typeof createClient = (connect) => playing(createClient(connect), played)
  const opened: ReturnType<typeof createKubernetes>[] = []
  const reopen = () => {
    const one = createKubernetes({ sites, house: 'rig', clientOf })
    opened.push(one)
    return one
  }
  return {
    provider: reopen(),
    site: name,
    order: (changes) => orderAt(name, changes),
    script: (order, programs) => void played.set(order.token, annotationsOf(programs)),
    reopen,
    // Connections that are open fall silent, and so do new ones.
    cut: () => proxy.trouble([{ kind: 'deaf' }]),
    restore: () => proxy.calm(),
    notice: ({ token: gang }) => evict(plane, { namespace: name, token: gang }),
    hindered: () => ({ order: orderAt(name, { cpuMilli: 64_000 }), kind: 'unschedulable' }),
    async close() {
      for (const one of opened) await one.close()
      await proxy.close()
      await plane.ask('DELETE', `/api/v1/namespaces/${name}`)
    },
  }
}

function orderAt(site: string, { ranks = 1, cpuMilli = 1000, ...changes }: Changes = {}): CredentialedOrder {
  const token = changes.token ?? `l-${randomBytes(8).toString('hex')}`
  const shape = { name: '16cpu-64GB', accelerators: 0, acceleratorMemoryMiB: 0, cpuMilli, memoryMiB: 256, diskMiB: 100 }
  const nothing = {
    environment: {},
    setup: null,
    bundle: null,
    checkpointRoot: null,
    ports: [],
    readiness: null,
    slots: 0,
  }
  return {
    token,
    workload: 'w-1',
    attempt: 1,
    site,
    tier: 'on-demand',
    ranks: Array.from({ length: ranks }, (_, rank) => ({ rank, shape })),
    programs: Array.from({ length: ranks }, () => ({ ...nothing, run: 'true' })),
    graceMs: 1000,
    controlPlanes: ['http://127.0.0.1:1'],
    credential: `c-${token}`,
    ...changes,
  }
}
