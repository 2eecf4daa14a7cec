import { stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { makeFolder } from '#kit/make-folder.ts'
import { isThere, type KeptFolder, marker } from '#providers/kept-folder.ts'

/**
 * What a house keeps of a site on the disk that a cluster shares with us: `orders/<token>` for each gang, and
 * `retired/<token>` for what must never start again. It is the truth about a gang: the job in Slurm only carries it.
 */
export type SiteFolder = KeptFolder & {
  /** Programs of agents, of all sites and houses there. */
  programs: string
  /** A file at home: the folder was made once, and so is never made anew. */
  made: string
}

type Places = { directory: string; house: string; name: string; home: string }

export function siteFolder({ directory, house, name, home }: Places): SiteFolder {
  const root = join(directory, house, name)
  return {
    root,
    order: (token) => join(root, 'orders', token),
    retired: join(root, 'retired'),
    programs: join(directory, 'programs'),
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

/** How long ago a file was changed, by the clocks of the disk and of this machine; nothing without the file. */
export async function ageMs(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mtimeMs }) => Math.max(0, Date.now() - mtimeMs),
    () => undefined,
  )
}
