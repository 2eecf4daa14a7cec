import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import type { CredentialedOrder } from '#model/order.ts'
import { asLongAsItTakes, handleOf, valueOf } from '#providers/conformance-looks.ts'
import type { RankSighting } from '#providers/provider.ts'
import type { ControlPlane } from '#rigs/kubernetes/control-plane.ts'
import type { RealNode } from '#rigs/kubernetes/node.ts'
import { type Changes, type KubernetesRig, openRealSite, runs } from '#rigs/kubernetes/site.ts'

/** A control plane with a real node, as all tests of a file share it. */
export type Here = { plane: ControlPlane; node: RealNode }

type PodObject = { metadata: { name: string; uid: string }; spec: { tolerations: object[] } }

/** A site on it, with what tests of single ranks need. */
export async function aSite(t: TestContext, { plane, node }: Here, more: Parameters<typeof openRealSite>[2] = {}) {
  const rig = await openRealSite(plane, node, more)
  t.after(rig.close)
  const pods = async () =>
    ((await plane.ask('GET', `/api/v1/namespaces/${rig.namespace}/pods`)) as { items: PodObject[] }).items
  return {
    ...rig,
    pods,
    /** Starts a gang of which each rank runs a script of the shell. */
    async launched(
      scripts: readonly string[],
      { ports, ...changes }: Changes & { ports?: number[] } = {},
    ): Promise<CredentialedOrder> {
      const order = rig.order({ ...changes, ranks: scripts.length })
      runs(order, scripts, ports)
      valueOf(await rig.provider.launch(order, asLongAsItTakes))
      return order
    },
    /** Looks until one rank is as it should be. */
    until: (order: CredentialedOrder, what: string, condition: (rank: RankSighting) => boolean) =>
      rankUntil(plane, rig, { order, what, condition }),
    async gone(order: CredentialedOrder, graceMs = 1000): Promise<void> {
      await plane.waitFor('it is gone', async () =>
        assert.equal(valueOf(await rig.provider.retire(handleOf(order), graceMs, asLongAsItTakes)), 'gone'),
      )
    },
    /** What an attempt of a workload has left in a file of its folder for checkpoints. */
    saved({ workload, attempt }: CredentialedOrder, file: string): string {
      const path = join(node.checkpoints, rig.namespace, workload, String(attempt), file)
      return existsSync(path) ? readFileSync(path, 'utf8') : ''
    },
    /** The only pod that there is. */
    async pod(): Promise<PodObject> {
      const [pod, ...others] = await pods()
      assert.ok(pod && others.length === 0, `there are ${others.length + 1} pods`)
      return pod
    },
  }
}

async function rankUntil(
  plane: ControlPlane,
  { provider }: KubernetesRig,
  looked: { order: CredentialedOrder; what: string; condition: (rank: RankSighting) => boolean },
): Promise<RankSighting> {
  const { order, what, condition } = looked
  let seen: RankSighting | undefined
  await plane.waitFor(what, async () => {
    seen = valueOf(await provider.get(handleOf(order), asLongAsItTakes))?.ranks[0]
    assert.ok(seen && condition(seen), JSON.stringify(seen))
  })
  return seen ?? assert.fail(what)
}
