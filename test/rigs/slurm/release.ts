import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'

/** Slurm as newer Debians package it, by its version. */
const suites: Readonly<Record<string, string>> = { '24.11': 'trixie', '26.05': 'forky' }
export const releases = Object.keys(suites)

const mirror = 'http://deb.debian.org/debian'
/** All that the rig and a job of Slurm run: /usr is this and nothing else while they do. */
const packages =
  'base-files bash coreutils dash findutils grep gzip hostname libatomic1 libc-bin libstdc++6 mawk mount munge ' +
  'openssh-client openssh-server procps sed slurm-client slurm-wlm-basic-plugins slurm-wlm-jwt-plugin slurmctld slurmd slurmrestd tar util-linux wget ' +
  'slurmdbd slurm-wlm-mysql-plugin mariadb-server-core mariadb-client-core'

/**
 * Libraries that a release takes from another suite, in a folder of their own: slurmdbd of 26.05 ends on the libmariadb that
 * comes with it (11.8.9: "Number of columns in result execeeds maxmimum").
 */
const borrowed: Readonly<Record<string, { suite: string; package: string; file: string }>> = {
  '26.05': { suite: 'trixie', package: 'libmariadb3', file: 'usr/lib/x86_64-linux-gnu/libmariadb.so.3' },
}
/** Where they are; a folder that is not there changes nothing. */
export const borrowedLibraries = '/usr/lib/borrowed'

/** What is missing on this machine to run another release than its own; null when nothing is. */
export function whatReleasesNeed(): string | null {
  if (process.getuid?.() !== 0) return 'another release of Slurm needs root, for a mount namespace: use sudo'
  const { status } = spawnSync('mmdebstrap', ['--version'])
  return status === 0 ? null : 'another release of Slurm needs mmdebstrap; on Debian: apt-get install mmdebstrap'
}

/**
 * The folder with the /usr of a release: unpacked from Debian's packages, whose signatures are checked, and kept in the
 * user's cache. No script of a package runs, so that this machine stays as it is.
 */
export function installRelease(version: string): string {
  const suite = suites[version]
  if (suite === undefined) throw new Error(`the rig knows no Slurm ${version}; it knows ${releases.join(', ')}`)
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const contents = createHash('sha256')
    .update(packages + JSON.stringify(borrowed[version] ?? ''))
    .digest('hex')
    .slice(0, 8)
  const folder = join(cache, 'isobar', 'rigs', 'slurm', `${version}-${contents}`)
  if (existsSync(folder)) return folder
  mkdirSync(dirname(folder), { recursive: true })
  const partial = mkdtempSync(`${folder}.`)
  try {
    unpack({ suite, packages }, partial)
    const library = borrowed[version]
    if (library) borrow(library, partial)
    // Packages would make these links in their scripts.
    for (const program of ['slurmctld', 'slurmd', 'slurmstepd'])
      symlinkSync(`${program}-wlm`, join(partial, 'usr/sbin', program))
    writeFileSync(join(partial, 'empty'), '')
    renameSync(partial, folder)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
  return folder
}

function unpack({ suite, packages: named }: { suite: string; packages: string }, folder: string): void {
  // A mirror may be a snapshot: what it has is signed, but need not be of today.
  const apt = ['Apt::Install-Recommends "false"', 'Acquire::Check-Valid-Until "false"']
  const argv = ['--quiet', '--variant=extract', ...apt.map((option) => `--aptopt=${option}`)]
  const include = `--include=${named.replaceAll(' ', ',')}`
  const { status, stderr } = spawnSync('mmdebstrap', [...argv, include, suite, folder, mirror], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mmdebstrap could not unpack ${named} of ${suite}: ${stderr.slice(-1000)}`)
}

function borrow(
  { suite, package: name, file }: { suite: string; package: string; file: string },
  folder: string,
): void {
  const other = mkdtempSync(`${folder}.`)
  try {
    unpack({ suite, packages: name }, other)
    const to = join(folder, borrowedLibraries)
    mkdirSync(to)
    copyFileSync(join(other, file), join(to, basename(file)))
  } finally {
    rmSync(other, { recursive: true, force: true })
  }
}

/**
 * The command that runs another on a release. It and all that it starts have a mount namespace of their own, with the
 * release as /usr, which ends with the last of them. The machine's list of its libraries would not be true there.
 */
export const onRelease = (folder: string, command: string[]): [string, ...string[]] => [
  'unshare',
  '--mount',
  '--propagation=private',
  'sh',
  '-ec',
  'mount --bind "$0/empty" /etc/ld.so.cache; mount --bind "$0/usr" /usr; exec "$@"',
  folder,
  ...command,
]
