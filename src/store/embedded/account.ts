import { readFileSync } from 'node:fs'

/** Who PostgreSQL runs as. */
export type Account = { name: string; uid: number; gid: number }

/**
 * The unprivileged account to drop to, because PostgreSQL refuses to run as root: `postgres` where the machine has it,
 * else `nobody`. Null when we are not root: then it runs as ourselves.
 */
export function unprivilegedAccount(): Account | null {
  if (process.getuid?.() !== 0) return null
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
  const found = ['postgres', 'nobody'].map((name) =>
    accounts.find((account) => account.name === name && account.uid > 0),
  )
  return found.find((account) => account !== undefined) ?? { name: 'nobody', uid: 65_534, gid: 65_534 }
}

/** The part of `spawn`'s options that makes a child run as the account, with nothing of our environment but the path. */
export const runAs = (account: Account | null) => ({
  ...(account ? { uid: account.uid, gid: account.gid } : {}),
  cwd: '/',
  env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
})
