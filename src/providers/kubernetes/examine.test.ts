import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { createServer } from 'node:https'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { examineKubernetes } from './examine.ts'

// What a real API server says is tried on one (test/kubernetes/joining.ts); these are what none can be brought to.

const signal = new AbortController().signal

// Both protect nothing: the certificate ended on 2020-01-02.
const cert = `-----BEGIN CERTIFICATE-----
MIIBCDCBrgIBATAKBggqhkjOPQQDAjAQMQ4wDAYDVQQDDAVndWVzdDAeFw0yMDAx
MDEwMDAwMDBaFw0yMDAxMDIwMDAwMDBaMBAxDjAMBgNVBAMMBWd1ZXN0MFkwEwYH
KoZIzj0CAQYIKoZIzj0DAQcDQgAEzBCtRm5SQk/vNk/BAeZP5F0P90A3BxcahQRO
MKpjjOTzWBcl7uDdMZ4vtIrPGuw+HsXyax8BjK9xqnGPBCSaWzAKBggqhkjOPQQD
AgNJADBGAiEAj1pDKUzQjkcjOWdJjlBwEhxv2Tow/xyA0DRsoCfJc3ICIQCQBbcg
B+y7wzeCMCKJK1WX7vR/Wq6aVjv0bP+u6fYz8Q==
-----END CERTIFICATE-----
`
const key = `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIOOkl85/jBx56TraX3ZBXOduz+XGMwej2Igje26QulveoAoGCCqGSM49
AwEHoUQDQgAEzBCtRm5SQk/vNk/BAeZP5F0P90A3BxcahQROMKpjjOTzWBcl7uDd
MZ4vtIrPGuw+HsXyax8BjK9xqnGPBCSaWw==
-----END EC PRIVATE KEY-----
`

function aKubeconfig(t: TestContext, server: string, user: object = { token: 't' }): string {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-examine-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'config')
  const cluster = { server, 'certificate-authority-data': Buffer.from(cert).toString('base64') }
  const config = {
    'current-context': 'prod',
    clusters: [{ name: 'prod', cluster }],
    users: [{ name: 'ada', user }],
    contexts: [{ name: 'prod', context: { cluster: 'prod', user: 'ada' } }],
  }
  writeFileSync(path, JSON.stringify(config))
  return path
}

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

async function onlyObstacle(kubeconfig: string) {
  const { obstacles, manifest, nodes } = await examineKubernetes({ kubeconfig, namespace: 'team' }, signal)
  assert.equal(obstacles.length, 1)
  assert.deepEqual([manifest, nodes], [null, []])
  return obstacles[0]
}

test('a certificate of ours that has ended is told before anybody is asked', async (t) => {
  const user = { 'client-certificate-data': data(cert), 'client-key-data': data(key) }
  const seen = await onlyObstacle(aKubeconfig(t, 'https://127.0.0.1:9', user))
  assert.equal(seen?.kind, 'denied')
  assert.equal(seen?.what, 'the certificate of context prod ended at 2020-01-02T00:00:00.000Z')
  assert.match(seen?.fix ?? '', /kubeadm certs renew/)
})

test('a certificate of the cluster that has ended is told with what renews it', async (t) => {
  const port = await listening(t, createServer({ cert, key }))
  const seen = await onlyObstacle(aKubeconfig(t, `https://127.0.0.1:${port}`))
  assert.equal(seen?.kind, 'unreachable')
  assert.match(seen?.what ?? '', /its certificate has expired: renew the cluster's certificates/)
})

test('a cluster that is too old for gangs is refused with its version', async (t) => {
  const old = createHttp((_, response) => response.end('{"major":"1","minor":"27+","gitVersion":"v1.27.3-eks"}'))
  const seen = await onlyObstacle(aKubeconfig(t, `http://127.0.0.1:${await listening(t, old)}`))
  assert.match(seen?.what ?? '', /is Kubernetes v1\.27\.3-eks, and 1\.29 is the oldest that has what a gang needs/)
})

test('what is no API server is told as such', async (t) => {
  const other = createHttp((_, response) => response.end('{"hello":"world"}'))
  const seen = await onlyObstacle(aKubeconfig(t, `http://127.0.0.1:${await listening(t, other)}`))
  assert.match(seen?.what ?? '', /is no API server of Kubernetes/)
})

const data = (pem: string) => Buffer.from(pem).toString('base64')
