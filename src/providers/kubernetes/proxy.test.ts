import assert from 'node:assert/strict'
import { test } from 'node:test'

import { IdentityProblem } from './exec-credential.ts'
import { proxyOf, readProxy } from './proxy.ts'

test('a proxy is known by its address, and what it wants of us is in no text for people', () => {
  const { url, origin, authorization } = readProxy('https://me:s%20e%3Acret@Proxy.Example/', 'it')
  assert.deepEqual([url, origin], ['https://me:s%20e%3Acret@Proxy.Example/', 'https://proxy.example'])
  assert.equal(authorization, `Basic ${Buffer.from('me:s e:cret').toString('base64')}`)
  assert.equal(readProxy('http://proxy:3128', 'it').authorization, undefined)
  assert.equal(readProxy('http://me@proxy:3128', 'it').authorization, `Basic ${btoa('me:')}`)
})

const refused = (text: string, why: RegExp) =>
  assert.throws(
    () => readProxy(text, 'the proxy-url of context east'),
    (error) => {
      assert.ok(error instanceof IdentityProblem)
      assert.match(error.message, why)
      assert.doesNotMatch(error.message, /secret/)
      return true
    },
  )

test('what is no proxy for us is refused with what is, and without its password', () => {
  refused(
    'socks5://me:secret@proxy:1080',
    /^the proxy-url of context east is one of SOCKS, .*; name one that takes CONN/,
  )
  for (const text of ['ftp://me:secret@proxy', 'me:secret@proxy:3128', 'http://me:secret@', 'secret'])
    refused(text, /^the proxy-url of context east is no address of a proxy; write it as http:\/\/host:port/)
  refused('http://me:secret%zz@proxy', /a % that stands for nothing; write it as %25$/)
})

const originOf = (server: string, environment: Record<string, string>) => proxyOf(server, environment)?.origin

test('the environment names a proxy for each scheme, in large letters or small ones', () => {
  const both = { HTTPS_PROXY: 'http://a:1', HTTP_PROXY: 'http://b:2', https_proxy: 'http://c:3' }
  assert.equal(originOf('https://east.example', both), 'http://a:1')
  assert.equal(originOf('http://east.example', both), 'http://b:2')
  assert.equal(originOf('https://east.example', { HTTPS_PROXY: '', https_proxy: 'http://c:3' }), 'http://c:3')
  assert.equal(originOf('https://east.example', { HTTP_PROXY: 'http://b:2', ALL_PROXY: 'http://d:4' }), undefined)
  assert.equal(originOf('https://east.example', { HTTPS_PROXY: 'proxy:3128' }), 'http://proxy:3128')
  assert.throws(
    () => proxyOf('https://east.example', { HTTPS_PROXY: 'socks5h://me:secret@p' }),
    /^IdentityProblem: the proxy of HTTPS_PROXY is one of SOCKS/,
  )
})

// Each was asked of golang.org/x/net/http/httpproxy, too, which says the same.
const exceptions: [string, string, boolean][] = [
  ['https://east.example', '', true],
  ['https://localhost:6443', '', false],
  ['https://127.0.0.2:6443', '', false],
  ['https://[::1]:6443', '', false],
  ['https://east.example', '*', false],
  ['https://east.example', 'other.example, East.Example', false],
  ['https://api.east.example', 'east.example', false],
  ['https://noteast.example', 'east.example', true],
  ['https://east.example', '.east.example', true],
  ['https://api.east.example', '.east.example', false],
  ['https://api.east.example', '*.east.example', false],
  ['https://east.example', '*.east.example', true],
  ['https://east.example', 'east.example:443', false],
  ['https://east.example:6443', 'east.example:443', true],
  ['https://10.0.0.1:6443', '10.0.0.1', false],
  ['https://10.0.0.1:6443', '10.0.0.1:6443', false],
  ['https://10.0.0.1:6443', '10.0.0.1:443', true],
  ['https://10.0.0.1:6443', '0.0.1', true],
  ['https://10.0.0.1:6443', '10.0.0.1:', false],
  ['https://[fd00::1]:6443', '[fd00::1]', true],
  ['https://10.0.0.1:6443', '10.0.0.0/8', false],
  ['https://11.0.0.1:6443', '10.0.0.0/8', true],
  ['https://11.0.0.1:6443', '10.0.0.0/99,nonsense/8,:443,,', true],
  ['https://[fd00::1]:6443', 'fd00::/8', false],
  ['https://[fd00::1]:6443', 'fd00:0::1', false],
  ['https://[fd00::1]:6443', '[fd00::1]:6443', false],
  ['https://[fd00::1]:6443', '10.0.0.0/8,fe80::/10', true],
  ['https://east.example', '10.0.0.0/8', true],
]
for (const [server, exception, isProxied] of exceptions)
  test(`${server} is reached ${isProxied ? 'through a proxy' : 'directly'} where NO_PROXY is '${exception}'`, () => {
    const environment = { HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: exception }
    assert.equal(originOf(server, environment) !== undefined, isProxied)
  })
