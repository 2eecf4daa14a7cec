import { stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { makeFolder } from '#kit/make-folder.ts'
import { gangFiles } from '#model/gang-folder.ts'
import { isThere, type KeptFolder, marker } from '#providers/kept-folder.ts'

/**
 * What a house keeps of a site, on the disk that a cluster shares with us or, where it shares none, on that of our own: `orders/<token>` for each gang, and
 * `retired/<token>` for what must never start again. It is the truth about a gang: the job in Slurm only carries it.
 */
export type SiteFolder = KeptFolder & {
  /** Programs of agents, of all sites and houses there. */
  programs: string
  /** Its nodes do not see it: they ask the control plane (`relay.ts`). */
  afar: boolean
  /** A file at home: the folder was made once, and so is never made anew. */
  made: string
}

type Places = {
  directory: string | undefined
  house: string
  name: string
  home: string
  /** What all control planes see. */
  shared: string
}

export function siteFolder({ directory, house, name, home, shared }: Places): SiteFolder {
  const disk = directory ?? join(shared, 'gangs')
  const root = join(disk, house, name)
  return {
    root,
    order: (token) => join(root, 'orders', token),
    retired: join(root, 'retired'),
    programs: join(disk, 'programs'),
    afar: directory === undefined,
    made: join(home, 'slurm', `${name}.made`),
  }
}

/** Makes the folder the first time that the site is ever used. A disk that is not mounted later must not look empty. */
export async function prepareSite(folder: SiteFolder): Promise<void> {
  if (await isThere(folder.made)) return
  if (!(await isThere(marker(folder)))) {
    for (const path of [folder.order(''), folder.retired, folder.programs]) await makeFolder(path)
    await writeFile(marker(folder), '{"isobar":"slurm site"}\n', { mode: 0o600 })
  }
  await makeFolder(dirname(folder.made))
  await writeFile(folder.made, '', { mode: 0o600 })
}

/** When who has the claim of an order touched it last, by the clock of its disk; nothing where nobody has it. */
export const claimedAt = (path: string): Promise<number | undefined> =>
  stat(join(path, gangFiles.claim)).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  )
