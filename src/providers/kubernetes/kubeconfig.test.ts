import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { IdentityProblem } from './exec-credential.ts'
import { inCluster, readKubeconfig } from './kubeconfig.ts'

const signal = new AbortController().signal

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-kubeconfig-'))
  try {
    await body(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function write(folder: string, user: object, more: { name?: string; cluster?: object } = {}): string {
  const path = join(folder, 'config')
  const name = more.name ?? 'east'
  writeFileSync(
    path,
    JSON.stringify({
      'current-context': name,
      clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443/', ...more.cluster } }],
      users: [{ name: 'u', user }],
      contexts: [{ name, context: { cluster: 'c', user: 'u', namespace: 'team' } }],
    }),
  )
  return path
}

const problem = (text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof IdentityProblem)
  assert.match(error.message, text)
  return true
}

const data = (text: string) => Buffer.from(text).toString('base64')

test('a context says where the cluster is, who signs for it and who we are', () =>
  withFolder(async (folder) => {
    writeFileSync(join(folder, 'ca.pem'), 'authority')
    const user = { 'client-certificate-data': data('cert'), 'client-key-data': data('key') }
    const path = write(folder, user, { cluster: { 'certificate-authority': 'ca.pem', 'tls-server-name': 'api' } })
    const { credential, ...rest } = await readKubeconfig({ path, context: 'east' })
    assert.deepEqual(rest, {
      server: 'https://10.0.0.1:6443',
      context: 'east',
      ca: 'authority',
      serverName: 'api',
      insecure: false,
      namespace: 'team',
    })
    assert.deepEqual(await credential(signal), { token: null, cert: 'cert', key: 'key', until: null })
  }))

test('who acts as somebody else is somebody else', () =>
  withFolder(async (folder) => {
    const asOf = async (user: object) => (await readKubeconfig({ path: write(folder, user) })).acting
    assert.equal(await asOf({ token: 't' }), undefined)
    assert.deepEqual(await asOf({ token: 't', as: 'guest' }), { 'impersonate-user': 'guest' })
    const all = { as: 'guest', 'as-uid': '7', 'as-groups': ['a', 'b'], 'as-user-extra': { 'x.example/Why': ['so'] } }
    assert.deepEqual(await asOf({ token: 't', ...all }), {
      'impersonate-user': 'guest',
      'impersonate-uid': '7',
      'impersonate-group': ['a', 'b'],
      'impersonate-extra-x.example%2FWhy': ['so'],
    })
  }))

const refused = (path: string, why: RegExp) => assert.rejects(readKubeconfig({ path }), problem(why))

test('what kubectl would heed and we do not is refused with what helps', () =>
  withFolder(async (folder) => {
    const cluster = { 'proxy-url': 'http://proxy:3128' }
    await refused(
      write(folder, { token: 't' }, { cluster }),
      /^context east reaches .*\(proxy-url\), .*; run a control/,
    )
    const old = { 'auth-provider': { name: 'oidc', config: { 'idp-issuer-url': 'https://a.example' } } }
    await refused(write(folder, old), /^context east signs in by auth-provider oidc, .*; use a plug-in \(exec\)/)
    const password = { username: 'ada', password: 'lovelace' }
    await refused(write(folder, password), /^context east signs in by a name and a password, /)
    for (const more of [{ 'as-groups': ['a'] }, { as: '', 'as-uid': '7' }])
      await refused(
        write(folder, { token: 't', ...more }),
        /^context east acts in groups, .* of nobody; name whom it acts/,
      )
    const empty = { username: '', as: null, 'as-groups': [], 'auth-provider': null, token: 't' }
    const read = await readKubeconfig({ path: write(folder, empty, { cluster: { 'proxy-url': '' } }) })
    assert.equal(read.acting, undefined, 'kubectl takes what is empty as absent')
  }))

test('a token in a file is read again, since somebody renews it there', () =>
  withFolder(async (folder) => {
    writeFileSync(join(folder, 'token'), 'first\n')
    const { credential } = await readKubeconfig({ path: write(folder, { tokenFile: 'token' }) })
    assert.equal((await credential(signal)).token, 'first')
    writeFileSync(join(folder, 'token'), 'second\n')
    assert.equal((await credential(signal)).token, 'second')
  }))

const plugin = (folder: string, script: string) => {
  const command = join(folder, 'plugin')
  writeFileSync(command, `#!/bin/sh\n${script}\n`)
  chmodSync(command, 0o755)
  return {
    exec: { apiVersion: 'client.authentication.k8s.io/v1', command, args: ['eks'], env: [{ name: 'AS', value: 'me' }] },
  }
}

test('a plug-in is asked who we are, with its arguments, its environment and what is wanted of it', () =>
  withFolder(async (folder) => {
    const script = `echo "{\\"kind\\":\\"ExecCredential\\",\\"status\\":{\\"token\\":\\"$1-$AS-$(echo $KUBERNETES_EXEC_INFO | grep -c '"interactive":false')\\",\\"expirationTimestamp\\":\\"2026-11-22T02:00:00Z\\"}}"`
    const { credential } = await readKubeconfig({ path: write(folder, plugin(folder, script)) })
    const { token, until } = await credential(signal)
    assert.deepEqual([token, until], ['eks-me-1', Date.parse('2026-11-22T02:00:00Z')])
    const { exec } = plugin(folder, script)
    const beside = await readKubeconfig({ path: write(folder, { exec: { ...exec, command: './plugin' } }) })
    assert.equal((await beside.credential(signal)).token, 'eks-me-1')
  }))

test('a plug-in that fails is told with its own words, one that is missing with how to get it', () =>
  withFolder(async (folder) => {
    const failing = await readKubeconfig({
      path: write(folder, plugin(folder, 'echo "session expired: aws sso login" >&2; exit 1')),
    })
    await assert.rejects(failing.credential(signal), problem(/session expired: aws sso login/))
    const missing = { exec: { apiVersion: 'v1', command: 'no-such-plugin', installHint: 'Install it from the shop.' } }
    const absent = await readKubeconfig({ path: write(folder, missing) })
    await assert.rejects(
      absent.credential(signal),
      problem(/no-such-plugin who we are, which is not on this machine. Install it/),
    )
    const chatty = await readKubeconfig({ path: write(folder, plugin(folder, 'echo secret-token')) })
    await assert.rejects(chatty.credential(signal), (error: Error) => !error.message.includes('secret-token'))
  }))

test('a context that is misspelt is told with the one that was meant', () =>
  withFolder(async (folder) => {
    const path = write(folder, {}, { name: 'production' })
    await assert.rejects(
      readKubeconfig({ path, context: 'prodution' }),
      problem(/no context prodution; did you mean production\?/),
    )
    await assert.rejects(readKubeconfig({ path, context: 'x' }), problem(/there are production/))
  }))

test('a file that is absent or no kubeconfig is told', () =>
  withFolder(async (folder) => {
    await assert.rejects(readKubeconfig({ path: join(folder, 'none') }), problem(/cannot be read: ENOENT/))
    const path = join(folder, 'odd')
    writeFileSync(path, 'clusters: [{name: 1}]')
    await assert.rejects(readKubeconfig({ path }), problem(/is no kubeconfig/))
  }))

test('of several files the first that names a thing counts, and any may be missing', () =>
  withFolder(async (folder) => {
    mkdirSync(join(folder, 'other'))
    write(join(folder, 'other'), { token: 'theirs' }, { name: 'west' })
    const before = process.env['KUBECONFIG']
    process.env['KUBECONFIG'] = [
      join(folder, 'none'),
      write(folder, { token: 'ours' }),
      join(folder, 'other', 'config'),
    ].join(':')
    try {
      assert.equal((await (await readKubeconfig({})).credential(signal)).token, 'ours')
      assert.equal((await readKubeconfig({ context: 'west' })).namespace, 'team')
    } finally {
      if (before === undefined) delete process.env['KUBECONFIG']
      else process.env['KUBECONFIG'] = before
    }
  }))

test('a pod of the cluster is who its account is, with a token that is read anew', () =>
  withFolder(async (folder) => {
    for (const [name, text] of Object.entries({ 'ca.crt': 'authority', namespace: 'isobar\n', token: 't\n' }))
      writeFileSync(join(folder, name), text)
    const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }
    const { server, ca, namespace, credential } = await inCluster(folder, environment)
    assert.deepEqual([server, ca, namespace], ['https://[fd00::1]:443', 'authority', 'isobar'])
    assert.equal((await credential(signal)).token, 't')
    await assert.rejects(inCluster(folder, {}), problem(/in no pod of a cluster/))
  }))
