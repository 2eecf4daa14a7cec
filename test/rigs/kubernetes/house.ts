import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { assertInvariants } from '#rigs/invariants.ts'
import { aDatabase } from '#rigs/postgres.ts'
import { aHome, aServer, ask } from '#rigs/server.ts'
import { addAccount, addNamespace, type Extra } from './cluster.ts'
import type { ControlPlane } from './control-plane.ts'

export type Pod = {
  metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> }
  spec: {
    nodeName?: string
    schedulingGates?: { name: string }[]
    containers: {
      resources: { requests: Record<string, string> }
      securityContext?: { capabilities?: { add?: string[] } }
    }[]
    volumes?: { name: string; emptyDir?: { sizeLimit?: string } }[]
  }
  status: { phase: string; podIP?: string }
}

let houses = 0

/** `others`: sites beside that. */
type More = { rights?: Extra; queue?: string; others?: object[]; [field: string]: unknown }

/** A whole house, whose site is a namespace of its own on the rig's control plane, with what a test adds to it. */
export async function aHouse(t: TestContext, plane: ControlPlane, { rights = {}, others = [], ...more }: More = {}) {
  const namespace = `house-${houses++}`
  await addNamespace(plane, namespace)
  const asked = { queue: 'queue' in more, groups: plane.gangs, ...rights }
  const token = await addAccount(plane, { name: 'isobar', namespace, ...asked })
  const home = aHome(t)
  const tokenFile = join(home, 'account')
  const identify = (text: string): void => writeFileSync(tokenFile, text)
  identify(token)
  const kubeconfig = plane.kubeconfigFor(namespace, { tokenFile })
  const site = {
    provider: 'kubernetes',
    name: 'east',
    kubeconfig,
    namespace,
    image: 'rig',
    price: '$20/h',
    patience: '10s',
    ...more,
  }
  writeFileSync(join(home, 'sites.yaml'), JSON.stringify({ sites: [site, ...others] }))
  const url = await aDatabase()
  const server = await aServer(t, { home, url, port: 0 })
  const objects = async (kind: string): Promise<Pod[]> => {
    const group = kind === 'jobs' ? '/apis/batch/v1' : '/api/v1'
    return ((await plane.ask('GET', `${group}/namespaces/${namespace}/${kind}`)) as { items: Pod[] }).items
  }
  const tokens = async () =>
    (await objects('jobs')).flatMap(({ metadata }) => metadata.labels['isobar.dev/token'] ?? [])
  t.after(() => assertInvariants(url, tokens))
  return {
    server,
    namespace,
    token,
    /** From now on its site is asked with such a token. */
    identify,
    async submit(text: string) {
      const { json } = await ask(server, 'POST /v1/workloads', { text })
      const { id } = json.workloads?.[0] ?? assert.fail(JSON.stringify(json))
      return async () => (await ask(server, `GET /v1/workloads/${id}`)).json
    },
    /** Gives the server a text. */
    put: (path: string, text: string) =>
      fetch(server.url + path, {
        method: 'PUT',
        headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/octet-stream' },
        body: text,
      }),
    pods: () => objects('pods'),
    /** Says of all pods how they end. */
    async end(exits: string) {
      for (const { metadata } of await objects('pods'))
        await plane.ask('PATCH', `/api/v1/namespaces/${namespace}/pods/${metadata.name}`, {
          metadata: { annotations: { 'rig.isobar.test/exits': exits } },
        })
    },
    /** All that is there of ours. */
    async left() {
      const all = await Promise.all(['jobs', 'pods', 'secrets', 'services'].map(objects))
      return all.flat().map(({ metadata }) => metadata.name)
    },
  }
}

export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 200_000; !(await condition()); await sleep(100))
    if (performance.now() > deadline) assert.fail(`waited in vain: ${what}`)
}
