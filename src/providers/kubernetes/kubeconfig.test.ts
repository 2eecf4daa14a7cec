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
    const cluster = { 'proxy-url': 'socks5://me:secret@proxy:1080' }
    await refused(
      write(folder, { token: 't' }, { cluster }),
      /^the proxy-url of context east is one of SOCKS, [^@]*; name one that takes CONNECT, as http:\/\/host:port$/,
    )
    const keyboard = { exec: { apiVersion: 'v1', command: 'kubelogin', interactiveMode: 'Always' } }
    await refused(
      write(folder, keyboard),
      /^context east signs in by kubelogin with somebody at a keyboard, .*; use a p/,
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

test('a context names its proxy, or else the environment does', () =>
  withFolder(async (folder) => {
    const proxyOf = async (cluster: object) =>
      (await readKubeconfig({ path: write(folder, { token: 't' }, { cluster }) })).proxy?.origin
    const before = process.env['HTTPS_PROXY']
    try {
      delete process.env['HTTPS_PROXY']
      assert.equal(await proxyOf({}), undefined)
      assert.equal(await proxyOf({ 'proxy-url': 'http://me:secret@theirs:1' }), 'http://theirs:1')
      process.env['HTTPS_PROXY'] = 'http://ours:2'
      assert.equal(await proxyOf({}), 'http://ours:2')
      assert.equal(await proxyOf({ 'proxy-url': 'http://theirs:1' }), 'http://theirs:1')
      assert.equal(await proxyOf({ server: 'https://127.0.0.1:6443' }), undefined)
      assert.equal(await proxyOf({ server: 'https://127.0.0.1', 'proxy-url': 'http://theirs:1' }), 'http://theirs:1')
    } finally {
      if (before === undefined) delete process.env['HTTPS_PROXY']
      else process.env['HTTPS_PROXY'] = before
    }
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

test('a plug-in that wants to know its cluster is told what client-go tells it, and no other is', () =>
  withFolder(async (folder) => {
    const script = `echo "{\\"kind\\":\\"ExecCredential\\",\\"status\\":{\\"token\\":\\"$(echo "$KUBERNETES_EXEC_INFO" | base64 | tr -d '\\n')\\"}}"`
    const toldOf = async (cluster: object, wants: object = { provideClusterInfo: true }): Promise<unknown> => {
      const { exec } = plugin(folder, script)
      const { credential } = await readKubeconfig({ path: write(folder, { exec: { ...exec, ...wants } }, { cluster }) })
      return JSON.parse(Buffer.from((await credential(signal)).token ?? '', 'base64').toString())
    }
    const asked = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential' }
    const server = 'https://10.0.0.1:6443/'
    assert.deepEqual(await toldOf({}, {}), { ...asked, spec: { interactive: false } })
    assert.deepEqual(await toldOf({}), { ...asked, spec: { interactive: false, cluster: { server, config: null } } })
    writeFileSync(join(folder, 'ca.pem'), 'authority')
    const extensions = [
      { name: 'minikube.example', extension: { other: 1 } },
      { name: 'client.authentication.k8s.io/exec', extension: { audience: 'team', more: [1, { a: null }] } },
    ]
    const cluster = {
      'certificate-authority': 'ca.pem',
      'tls-server-name': 'api',
      'insecure-skip-tls-verify': false,
      'proxy-url': 'http://me:secret@proxy:3128',
      'disable-compression': true,
      extensions,
    }
    assert.deepEqual(await toldOf(cluster), {
      ...asked,
      spec: {
        interactive: false,
        cluster: {
          server,
          'tls-server-name': 'api',
          'certificate-authority-data': data('authority'),
          'proxy-url': 'http://me:secret@proxy:3128',
          'disable-compression': true,
          config: { audience: 'team', more: [1, { a: null }] },
        },
      },
    })
    const lax = { 'insecure-skip-tls-verify': true, extensions: null }
    assert.deepEqual(await toldOf(lax), {
      ...asked,
      spec: { interactive: false, cluster: { server, 'insecure-skip-tls-verify': true, config: null } },
    })
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
    writeFileSync(path, 'clusters:\n  - cluster: { proxy-url: "http://me:secret@proxy" oops }\n')
    await refused(path, /odd:2:52 is no YAML: [A-Z_]+$/)
    writeFileSync(path, 'clusters: &a []\nusers: *a\n')
    await refused(path, /is no kubeconfig: /)
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
