import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { callMain } from '#cli/captured.ts'
import { aDatabase } from '#rigs/postgres.ts'
import { aHome, aServer, ask } from '#rigs/server.ts'
import type { ControlPlane } from './control-plane.ts'

let houses = 0

/** A house that has no site of Kubernetes yet, and an account of the cluster that may do nothing. */
export async function aHouseToJoin(t: TestContext, plane: ControlPlane) {
  const namespace = `joining-${houses++}`
  const home = aHome(t)
  writeFileSync(join(home, 'sites.yaml'), JSON.stringify({ sites: [{ provider: 'simulated', name: 'none', shape }] }))
  const url = await aDatabase()
  const server = await aServer(t, { home, url, port: 0 })
  const env = { ISOBAR_HOME: home }
  const objects = async (kind: string) => {
    const group = kind === 'jobs' ? '/apis/batch/v1' : '/api/v1'
    return ((await plane.ask('GET', `${group}/namespaces/${namespace}/${kind}`)) as { items: Named[] }).items
  }
  return {
    home,
    url,
    env,
    server,
    namespace,
    objects,
    async account() {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts`
      await plane.ask('POST', path, { metadata: { name: 'guest' } })
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } }
      const { status } = (await plane.ask('POST', `${path}/guest/token`, body)) as { status: { token: string } }
      return plane.kubeconfigFor(`${namespace}-guest`, { token: status.token })
    },
    isobar: (...argv: string[]) => callMain(argv, { env }),
    add: (...argv: string[]) =>
      callMain(['site', 'add', 'kubernetes', '--namespace', namespace, '--name', 'east', ...argv], { env }),
    async submit(text: string) {
      const { json } = await ask(server, 'POST /v1/workloads', { text })
      const { id } = json.workloads[0]
      return async () => (await ask(server, `GET /v1/workloads/${id}`)).json
    },
  }
}

type Named = { metadata: { name: string } }

const shape = { cpus: 1, memory: '1GB' }
