import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { Node } from '#model/site.ts'
import { isStore } from '#providers/declared-store.ts'
import { type Client, createClient } from '#providers/kubernetes/client.ts'
import type { KubernetesSite } from '#providers/kubernetes/config.ts'
import { connect, createKubernetes, type Kubernetes, type KubernetesOptions } from '#providers/kubernetes/kubernetes.ts'
import type { CoreweaveSite } from './config.ts'
import { type Pools, readPools, setTarget } from './node-pools.ts'
import { offersOf, soldNodes } from './sale.ts'

export type CoreweaveOptions = Omit<KubernetesOptions, 'sites' | 'provider'> & { sites: readonly CoreweaveSite[] }

type Here = { site: CoreweaveSite; client: Client; house: string }

/**
 * Clusters of CoreWeave: what runs there runs as in any Kubernetes, by the same code. Its own are how nodes are sold, and
 * the NodePools that they come from. Nothing that matters is kept in memory.
 */
export function createCoreweave({ sites, house, clientOf = createClient }: CoreweaveOptions): Kubernetes {
  const open = new Map(
    sites.map((site) => {
      const client = clientOf(() => connect(asCluster(site)), site.name)
      return [site.name, { site, client, house }] as const
    }),
  )
  const inner = createKubernetes({
    sites: sites.map(asCluster),
    house,
    provider: 'coreweave',
    clientOf: (reach, name) => open.get(name)?.client ?? clientOf(reach, name),
  })
  const { inventory } = inner.abilities
  /** The nodes of a site, and the pools that they come from. Who has no such site says so. */
  const look = async <T>(
    name: string,
    signal: AbortSignal,
    as: (here: Here, nodes: Node[], pools: Pools) => T,
  ): Promise<Outcome<T>> => {
    const here = open.get(name)
    if (!here) return fail('invalid', 'elsewhere', `no CoreWeave site is named ${name}`)
    const nodes = await inventory(name, signal)
    if (!nodes.ok) return nodes
    const pools = await readPools(here, signal)
    return pools.ok ? succeed(as(here, nodes.value, pools.value)) : pools
  }
  return {
    ...inner,
    offers: (name, signal) =>
      look(name, signal, ({ site }, nodes, pools) => offersOf(site, soldNodes(site, nodes, pools), pools)),
    abilities: {
      ...inner.abilities,
      inventory: (name, signal) => look(name, signal, ({ site }, nodes, pools) => soldNodes(site, nodes, pools)),
      reserve: async (name, wish, signal) => {
        const here = open.get(name)
        return here ? setTarget(here, wish, signal) : fail('invalid', 'elsewhere', `no CoreWeave site is named ${name}`)
      },
    },
  }
}

/**
 * CoreWeave's AI Object Storage as nodes of a cluster reach it, through the cache on each of them (LOTA; "Configure Endpoints",
 * docs.coreweave.com, 2026). The same buckets are at https://cwobject.com for everybody else.
 */
const lota = 'http://cwlota.com'

/** A site as any cluster: nothing is priced there. */
export function asCluster(site: CoreweaveSite): KubernetesSite {
  const { pools: _, checkpointsEndpoint = isStore(site.checkpoints) ? lota : undefined, ...any } = site
  return { ...any, checkpointsEndpoint, price: 0 }
}
