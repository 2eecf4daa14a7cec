import { readdir, rm } from 'node:fs/promises'

import { removeTree } from '#kit/remove-tree.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'

import { isThere, marker } from '#providers/kept-folder.ts'
import type { SiteFolder } from './site-folder.ts'

/**
 * Removes the folder of a site where no order is any more, and the note that it was made. The programs of agents stay: other
 * sites and houses use them, too.
 */
export async function clearSite({ order, root, made }: SiteFolder): Promise<Outcome<null>> {
  const isMade = await isThere(made)
  if (!(await isThere(marker({ root }))))
    return isMade ? fail('unreachable', 'later', `${root} cannot be read`) : succeed(null)
  const left = (await readdir(order(''))).filter((name) => !name.startsWith('.'))
  if (left.length > 0) return fail('conflict', 'later', `orders are left in ${root}`)
  await removeTree(root)
  await rm(made, { force: true })
  return succeed(null)
}
