import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

import { parse } from 'yaml'

import type { ControlPlane } from './control-plane.ts'

const folder = join(
  process.env['ISOBAR_DATA'] ?? join(import.meta.dirname, '../../../../shared/data'),
  'kubernetes-crds',
)

/** Why there are no definitions here, for a test that needs them. */
export const noDefinitions = existsSync(folder) ? false : `no definitions in ${folder}; ISOBAR_DATA says where they are`

/**
 * Makes the API server serve objects of others, such as `kueue.x-k8s.io_workloads`, by their published definitions: it
 * checks them, and no controller acts on them.
 */
export async function define(plane: ControlPlane, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const definition = parse(gunzipSync(readFileSync(join(folder, `${name}.yaml.gz`))).toString()) as Definition
    await serve(plane, withoutText(definition))
  }
}

/** Where they are among the files of Kueue. */
export const definitionsOfKueue = 'config/components/crd/bases'

/** Makes the API server serve objects of such a definition. */
export async function serve(plane: ControlPlane, definition: Definition): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  const { name } = definition.metadata
  await plane.ask('POST', path, definition)
  await plane.waitFor(name, async () => {
    const { status } = (await plane.ask('GET', `${path}/${name}`)) as Definition
    if (!status?.conditions?.some((one) => one.type === 'Established' && one.status === 'True'))
      throw new Error(`${name} is not served yet`)
  })
}

export type Definition = { metadata: { name: string }; status?: { conditions?: { type: string; status: string }[] } }

/** Without its documentation, which is most of it: etcd takes 1.5 MiB at most. */
function withoutText(definition: Definition): Definition {
  return JSON.parse(JSON.stringify(definition), (key, value: unknown) =>
    key === 'description' && typeof value === 'string' ? undefined : value,
  ) as Definition
}
