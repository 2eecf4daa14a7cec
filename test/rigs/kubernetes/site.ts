import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Program as RankProgram } from '#model/agent-protocol.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Program, Rig } from '#providers/conformance.ts'
import { CoreweaveConfig } from '#providers/coreweave/config.ts'
import { createCoreweave } from '#providers/coreweave/coreweave.ts'
import { createClient } from '#providers/kubernetes/client.ts'
import { KubernetesConfig } from '#providers/kubernetes/config.ts'
import { createKubernetes, type Kubernetes } from '#providers/kubernetes/kubernetes.ts'
import { type FaultProxy, openFaultProxy } from '#rigs/fault-proxy.ts'
import { scriptOf } from '#rigs/program-script.ts'
import { haveTime, keepBusy } from './busy.ts'
import { addAccount, addNamespace, addVolume, type Extra, tokenOf } from './cluster.ts'
import type { ControlPlane } from './control-plane.ts'
import { images } from './images.ts'
import type { RealNode } from './node.ts'
import { annotationsOf, type Played, playing } from './play.ts'
import { evict } from './troubles.ts'

export type Changes = Partial<Omit<CredentialedOrder, 'ranks'>> & {
  ranks?: number
  cpuMilli?: number
  memoryMiB?: number
  diskMiB?: number
}

/** A site, and what lies between it and us. */
export type KubernetesRig = Rig & {
  /** All connections break; new ones come through. */
  sever(): void
  order(changes?: Changes): CredentialedOrder
  namespace: string
  proxy: FaultProxy
  /** All connections break; new ones come through. */
  sever(): void
  /** From now on its account has a token that ends so many seconds from now, or has ended. */
  token(seconds: number): Promise<void>
}

/** Who runs the ranks of a site: what each asks for, and how it is told what to do. */
type Runner = {
  provider?: 'kubernetes' | 'coreweave'
  image: string
  asks: { cpuMilli: number; memoryMiB: number }
  clientOf: typeof createClient
  script(order: CredentialedOrder, programs: readonly Program[]): void
  rights?: Extra
  /** What a test adds to the declaration of its site. */
  fields?: object
  /** What its kubeconfig says of its cluster beside what it must, or instead. */
  cluster?: object
  /** A folder of its node for those of all sites. */
  checkpoints?: string
}

const account = 'isobar'

/** A site whose nodes KWOK plays, and what ranks do there as well (`play.ts`). */
export const openSite = (plane: ControlPlane, rights: Extra = {}, fields: object = {}): Promise<KubernetesRig> =>
  open(plane, { ...played(), rights, fields })

/** The same as a site of CoreWeave. */
export const openCoreweaveSite = (plane: ControlPlane): Promise<KubernetesRig> =>
  open(plane, { ...played(), provider: 'coreweave' })

function played(): Runner {
  const ranks: Played = new Map()
  return {
    image: 'rig',
    asks: { cpuMilli: 1000, memoryMiB: 256 },
    clientOf: (connect) => playing(createClient(connect), ranks),
    script: (order, programs) => void ranks.set(order.token, annotationsOf(programs)),
  }
}

/**
 * A site whose node is real (`node.ts`): ranks are scripts of a shell in real containers. Its checkpoints are in
 * `RealNode.checkpoints`, in a folder with its name.
 */
export const openRealSite = (
  plane: ControlPlane,
  { checkpoints }: RealNode,
  more: Pick<Runner, 'rights' | 'fields' | 'cluster'> = {},
): Promise<KubernetesRig> =>
  open(plane, {
    ...more,
    image: images.busybox,
    asks: { cpuMilli: 200, memoryMiB: 64 },
    clientOf: createClient,
    script: (order, programs) => runs(order, programs.map(scriptOf)),
    checkpoints,
  })

/** Says what each rank of an order runs. */
export function runs(order: CredentialedOrder, scripts: readonly string[], ports: number[] = []): void {
  const readiness = ports.length === 0 ? null : { periodMs: 1000, timeoutMs: 1000, failures: 1 }
  order.programs = scripts.map((run) => ({ ...idle, ports, readiness, run }))
}

/**
 * A site on the rig's control plane: a namespace of its own, with an account that has the rights that the product asks
 * for and no others, reached through a proxy that can be cut.
 */
async function open(plane: ControlPlane, runner: Runner): Promise<KubernetesRig> {
  const { provider: which, image, asks, clientOf, script, rights, fields, cluster = {}, checkpoints } = runner
  const name = `site-${randomBytes(4).toString('hex')}`
  await addNamespace(plane, name)
  const tokenFile = join(plane.folder, `${name}.token`)
  writeFileSync(tokenFile, await addAccount(plane, { name: account, namespace: name, groups: plane.gangs, ...rights }))
  const proxy = await openFaultProxy({ target: { host: '127.0.0.1', port: plane.port }, draw: Math.random })
  const kubeconfig = plane.kubeconfigFor(name, { tokenFile, server: `https://127.0.0.1:${proxy.port}`, cluster })
  const claim = checkpoints === undefined ? {} : { checkpoints: 'checkpoints' }
  if (checkpoints !== undefined) await addVolume(plane, { name, claim: 'checkpoints', path: join(checkpoints, name) })
  const declared = { sites: [{ name, kubeconfig, namespace: name, image, price: '$1/h', ...claim, ...fields }] }
  const opened: Kubernetes[] = []
  const reopen = () => {
    const one =
      which === 'coreweave'
        ? createCoreweave({ ...CoreweaveConfig.parse(declared), house: 'rig', clientOf })
        : createKubernetes({ ...KubernetesConfig.parse(declared), house: 'rig', clientOf })
    opened.push(one)
    return one
  }
  const order = (changes: Changes = {}) => orderAt(name, { ...asks, ...changes })
  const provider = reopen()
  const ours = { namespace: name, name: account, tokenFile }
  let isBusy = false
  return {
    provider,
    site: name,
    namespace: name,
    proxy,
    order,
    script,
    token: async (seconds) =>
      writeFileSync(tokenFile, await tokenOf(plane, { name: account, namespace: name, seconds })),
    reopen,
    // Connections that are open fall silent, and so do new ones.
    cut: () => proxy.trouble([{ kind: 'deaf' }]),
    restore: () => proxy.calm(),
    sever() {
      proxy.trouble([{ kind: 'refuse' }])
      proxy.calm()
    },
    notice: ({ token: gang }) => evict(plane, { namespace: name, token: gang }),
    async busy() {
      isBusy = true
      await keepBusy(plane, ours)
    },
    hindered: () => ({ order: order({ cpuMilli: 64_000 }), kind: 'unschedulable' }),
    async close() {
      for (const one of opened) await one.close()
      await proxy.close()
      if (isBusy) await haveTime(plane, ours)
      await plane.ask('DELETE', `/api/v1/namespaces/${name}`)
      if (checkpoints !== undefined) await plane.ask('DELETE', `/api/v1/persistentvolumes/${name}`)
    },
  }
}

/** What a rank does of whom nobody asks more. */
export const idle: RankProgram = {
  environment: {},
  setup: null,
  bundle: null,
  checkpointRoot: null,
  ports: [],
  readiness: null,
  slots: 0,
  run: 'true',
}

function orderAt(
  site: string,
  { ranks = 1, cpuMilli = 1000, memoryMiB = 256, diskMiB = 100, ...changes }: Changes,
): CredentialedOrder {
  const token = changes.token ?? `l-${randomBytes(8).toString('hex')}`
  const shape = { name: '16cpu-64GB', accelerators: 0, acceleratorMemoryMiB: 0, cpuMilli, memoryMiB, diskMiB }
  return {
    token,
    workload: 'w-1',
    attempt: 1,
    site,
    tier: 'on-demand',
    ranks: Array.from({ length: ranks }, (_, rank) => ({ rank, shape })),
    programs: Array.from({ length: ranks }, () => idle),
    graceMs: 1000,
    controlPlanes: ['http://127.0.0.1:1'],
    credential: `c-${token}`,
    ...changes,
  }
}
