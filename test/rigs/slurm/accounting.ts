import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { borrowedLibraries } from './release.ts'

const run = promisify(execFile)

const packages = 'slurmdbd slurm-wlm-mysql-plugin mariadb-server-core mariadb-client-core'
export const howToGetAccounting = `there is no slurmdbd, or no MariaDB, on this machine; on Debian: apt-get install --no-install-recommends ${packages}`

/** Whether a cluster on this machine can have accounting. */
export const accountingHere = (): boolean =>
  ['/usr/sbin/slurmdbd', '/usr/sbin/mariadbd', '/usr/bin/mariadb-install-db'].every((path) => existsSync(path))

/** Where the database of a cluster is, and who owns its daemons. */
export type Books = { folder: string; owner: string; port: number }

const socket = ({ folder }: Pick<Books, 'folder'>): string => join(folder, 'database.sock')

/** What slurm.conf says of it: nobody runs a job without an association, or above what it allows. */
export const accountingLines = ({ folder, port }: Books): string => `AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=${port}
AccountingStoragePass=${join(folder, 'munge/socket')}
AccountingStorageTRES=gres/gpu,gres/gpu:h200
AccountingStorageEnforce=associations,limits,qos
AccountingStoreFlags=job_comment
PriorityType=priority/multifactor
PriorityWeightFairshare=1000
`

/** Makes an empty database of MariaDB and the settings of slurmdbd. Nothing of it is open to anybody but the owner. */
export async function layBooks({ folder, owner, port }: Books, env: NodeJS.ProcessEnv): Promise<void> {
  const data = join(folder, 'database')
  mkdirSync(data, { mode: 0o700 })
  const argv = ['--no-defaults', `--datadir=${data}`, `--user=${owner}`, '--auth-root-authentication-method=normal']
  await run('mariadb-install-db', [...argv, '--skip-test-db', '--skip-name-resolve'], { env, timeout: 60_000 })
  const path = join(folder, 'slurmdbd.conf')
  writeFileSync(
    path,
    `AuthType=auth/munge
AuthInfo=socket=${join(folder, 'munge/socket')},cred_expire=5
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=${join(folder, 'jwt.key')}
DbdHost=${hostname().split('.')[0] ?? ''}
DbdAddr=127.0.0.1
DbdPort=${port}
SlurmUser=${owner}
LogFile=${join(folder, 'log/slurmdbd.log')}
PidFile=${join(folder, 'slurmdbd.pid')}
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=${databaseUser}
StorageLoc=accounting
DebugLevel=info
`,
  )
  chmodSync(path, 0o600)
}

const databaseUser = 'root'

/** slurmdbd wants large transactions to be possible, and says so; nothing is to outlive a rig, so nothing is synced. */
export const databaseCommand = ({ folder, owner }: Pick<Books, 'folder' | 'owner'>): [string, ...string[]] => [
  'mariadbd',
  '--no-defaults',
  `--user=${owner}`,
  `--datadir=${join(folder, 'database')}`,
  `--socket=${socket({ folder })}`,
  '--skip-networking',
  `--pid-file=${join(folder, 'database.pid')}`,
  '--innodb-buffer-pool-size=64M',
  '--innodb-lock-wait-timeout=900',
  '--innodb-flush-log-at-trx-commit=0',
]

/** Asks the database for nothing, which it answers once it is up. */
export const databaseProbe = (folder: string): [string, ...string[]] => [
  'mariadb',
  '--no-defaults',
  `--socket=${socket({ folder })}`,
  `--user=${databaseUser}`,
  '--execute=select 1',
]

/** By which the library of MariaDB finds a database that is called `localhost`. */
export const databaseEnvironment = (folder: string): NodeJS.ProcessEnv => ({
  MYSQL_UNIX_PORT: socket({ folder }),
  LD_LIBRARY_PATH: borrowedLibraries,
})
