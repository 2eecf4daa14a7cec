import { labels } from '#providers/kubernetes/names.ts'
import type { ControlPlane } from './control-plane.ts'

type Gang = { namespace: string; token: string }

/** The pods of a gang are evicted, as when their nodes are drained; they take two seconds to go. */
export async function evict(plane: ControlPlane, { namespace, token }: Gang): Promise<void> {
  const pods = `/api/v1/namespaces/${namespace}/pods`
  const selector = encodeURIComponent(`${labels.token}=${token}`)
  const { items } = (await plane.ask('GET', `${pods}?labelSelector=${selector}`)) as {
    items: { metadata: { name: string } }[]
  }
  for (const { metadata } of items) {
    const annotations = { 'rig.isobar.test/stops-after': '2s' }
    await plane.ask('PATCH', `${pods}/${metadata.name}`, { metadata: { annotations } })
    const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata }
    await plane.ask('POST', `${pods}/${metadata.name}/eviction`, body)
  }
}
