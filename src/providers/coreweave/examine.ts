import type { Examination } from '#model/examination.ts'
import { poolText } from '#model/node-pool.ts'
import { type Draft, nothingFound, obstacleOf, readDraft, unknownOf } from '#providers/examining.ts'
import { createClient } from '#providers/kubernetes/client.ts'
import { examineKubernetes } from '#providers/kubernetes/examine.ts'
import { kindsOf, regionsOf } from '#providers/kubernetes/found.ts'
import { takeInventory } from '#providers/kubernetes/inventory.ts'
import { connect } from '#providers/kubernetes/kubernetes.ts'
import type { Right } from '#providers/kubernetes/rights.ts'
import { CoreweaveConfig, type CoreweaveSite } from './config.ts'
import { asCluster } from './coreweave.ts'
import { type Pool, readPools } from './node-pools.ts'
import { priceOfKind, soldNodes } from './sale.ts'

/** What is done with NodePools: they are read, and those are changed that a declaration says may be. */
export const poolRights = ({ pools }: Pick<CoreweaveSite, 'pools'>): readonly Right[] => {
  const scales = Object.values(pools).some(({ most }) => most !== undefined)
  return [
    {
      apiGroups: ['compute.coreweave.com'],
      resources: ['nodepools'],
      verbs: ['list', ...(scales ? ['get', 'patch'] : [])],
    },
  ]
}

/** Looks at a cluster of CoreWeave before it is joined: as at any Kubernetes, at its NodePools, and at what is sold there. */
export async function examineCoreweave(draft: Draft, house: string, signal: AbortSignal): Promise<Examination> {
  const read = readDraft(CoreweaveConfig, draft)
  if ('wrong' in read) return { ...nothingFound(draft), obstacles: [read.wrong] }
  const { site } = read
  const { pools, price, ...any } = draft
  // What nodes cost is known better here.
  const found = await examineKubernetes({ ...any, price: price ?? 0 }, signal, poolRights(site))
  const { price: _, ...declaration } = found.declaration
  found.declaration = { ...declaration, ...(price !== undefined && { price }), ...(pools !== undefined && { pools }) }
  return found.nodes.length === 0 ? found : lookAtPools(found, { site, house }, signal)
}

type Looking = { site: CoreweaveSite; house: string }

async function lookAtPools(found: Examination, { site, house }: Looking, signal: AbortSignal): Promise<Examination> {
  const declared = asCluster(site)
  const client = createClient(() => connect(declared))
  try {
    const pools = await readPools({ client, house, site }, signal)
    // Nothing of ours is there yet, so that every pod is somebody else's.
    const taken = await takeInventory({ client, declared, ours: null }, signal)
    const failed = [pools, taken].find((one) => !one.ok)
    if (failed && !failed.ok) found.obstacles.push(obstacleOf(failed.fault, 'kubectl get nodepools'))
    if (!pools.ok || !taken.ok) return found
    const nodes = soldNodes(site, taken.value.nodes, pools.value)
    const { declaration } = found
    found.nodes = kindsOf(nodes, priceOfKind(site, nodes, pools.value))
    found.unknown = unknownOf({ declaration, nodes: found.nodes, regions: regionsOf(nodes) })
    found.facts.push(...pools.value.pools.map((pool) => ({ name: `NodePool ${pool.name}`, value: factOf(pool) })))
    if (pools.value.unread !== null) found.notes.push(`${pools.value.unread}: it works without, and is not scaled`)
    for (const name of Object.keys(site.pools))
      if (pools.value.unread === null && !pools.value.pools.some((pool) => pool.name === name))
        found.obstacles.push({ kind: 'invalid', what: `there is no NodePool ${name}`, fix: 'kubectl get nodepools' })
    return found
  } finally {
    await client.close()
  }
}

function factOf(pool: Pool): string {
  const { instance, isSpot, target, current, most } = pool
  const more = most === undefined ? '' : `, may be asked for ${most}`
  const stands = poolText(pool)
  return `${instance}${isSpot ? ' spot' : ''}, ${current} of ${target} nodes${more}${stands === null ? '' : `; ${pool.hindered ?? 'they are on their way'}`}`
}
