import { writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import { makeFolder } from '#kit/make-folder.ts'
import { isThere, type KeptFolder, marker } from '#providers/kept-folder.ts'

/**
 * A site of this machine is its folder: `site.json` says that it is there, `orders/<token>/<rank>` holds what runs,
 * `claims` what is in use, `retired` what must never start again. No folder, no site: a disk that is not mounted is a
 * site that does not answer, not one where nothing runs.
 */
export type SiteFolder = KeptFolder & { claims: string }

export const siteFolder = (root: string): SiteFolder => ({
  root,
  order: (token) => join(root, 'orders', token),
  claims: join(root, 'claims'),
  retired: join(root, 'retired'),
})

// Beside the folder, so that it survives when the folder goes: then the site is away, and is not made anew.
const memory = (folder: SiteFolder) => join(dirname(folder.root), `.${basename(folder.root)}.made`)

/** Makes the site the first time it is ever used; never again after that. */
export async function prepareSite(folder: SiteFolder): Promise<void> {
  if (await isThere(memory(folder))) return
  for (const path of [join(folder.root, 'orders'), folder.claims, folder.retired]) await makeFolder(path)
  await writeFile(marker(folder), '{"isobar":"local site"}\n', { mode: 0o600 })
  await writeFile(memory(folder), '', { mode: 0o600 })
}
