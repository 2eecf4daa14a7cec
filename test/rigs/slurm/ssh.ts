import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'

import type { Cluster } from './cluster.ts'
import { startDaemon } from './daemon.ts'

const sshd = '/usr/sbin/sshd'

/** Whether this machine has a server of SSH. */
export const sshHere = (): boolean => spawnSync(sshd, ['-V']).error === undefined

/** A server of SSH on loopback that lets in who has one key, and a configuration with which `login` is that server. */
export type SshServer = { host: string; config: string; stop(): Promise<void> }

export async function startSsh(cluster: Cluster): Promise<SshServer> {
  const folder = mkdtempSync(join(cluster.folder, 'ssh-'))
  const file = (name: string) => join(folder, name)
  for (const name of ['host', 'mine']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(name)])
  const port = await freePort()
  writeFileSync(file('authorized'), readFileSync(file('mine.pub')))
  writeFileSync(file('known'), `[127.0.0.1]:${port} ${readFileSync(file('host.pub'), 'utf8')}`)
  const server = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${file('host')}`,
    `AuthorizedKeysFile ${file('authorized')}`,
    `PidFile ${file('pid')}`,
    'UsePAM no',
    'StrictModes no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
  ]
  writeFileSync(file('server'), `${server.join('\n')}\n`)
  const client = [
    'Host login',
    'HostName 127.0.0.1',
    `Port ${port}`,
    `User ${userInfo().username}`,
    `IdentityFile ${file('mine')}`,
    'IdentitiesOnly yes',
    `UserKnownHostsFile ${file('known')}`,
    'StrictHostKeyChecking yes',
  ]
  writeFileSync(file('client'), `${client.join('\n')}\n`)
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const argv: [string, ...string[]] = [sshd, '-D', '-e', '-f', file('server')]
  const daemon = await startDaemon({ argv, log: file('log'), env: process.env })
  return { host: 'login', config: file('client'), stop: daemon.end }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await once(server.close(), 'close')
  return typeof address === 'object' && address ? address.port : 0
}
