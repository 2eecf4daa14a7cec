import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

import { parse } from 'yaml'

import { kueueFiles } from './binary.ts'
import type { ControlPlane } from './control-plane.ts'

const folder = join(
  process.env['ISOBAR_DATA'] ?? join(import.meta.dirname, '../../../../shared/data'),
  'kubernetes-crds',
)

/**
 * Makes the API server serve such kinds of Kueue's objects, by their published definitions: it checks them, and no
 * controller acts on them. They are those of 2026 where they are here (`ISOBAR_DATA`), else those of the Kueue that the rig
 * builds. Says which version of Kueue's API that is.
 */
export async function defineKueue(plane: ControlPlane, kinds: readonly string[]): Promise<'v1beta2' | 'v1beta1'> {
  const isHere = existsSync(folder)
  const built = isHere ? '' : join(kueueFiles(), definitionsOfKueue)
  for (const kind of kinds) {
    const name = `kueue.x-k8s.io_${kind}.yaml`
    const text = isHere ? gunzipSync(readFileSync(join(folder, `${name}.gz`))) : readFileSync(join(built, name))
    await serve(plane, withoutText(parse(text.toString()) as Definition))
  }
  return isHere ? 'v1beta2' : 'v1beta1'
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
