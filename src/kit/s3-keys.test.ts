import assert from 'node:assert/strict'
import { test } from 'node:test'

import { keysIn, keysOf, readKeys } from './s3-keys.ts'

const own = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'sec/ret+=' }

test('keys are read as ~/.aws/credentials holds them, and as lines of an environment', () => {
  assert.deepEqual(readKeys('[default]\r\naws_access_key_id = id\r\naws_secret_access_key=sec/ret+=\r\n'), own)
  assert.deepEqual(readKeys('export AWS_ACCESS_KEY_ID="id"\nAWS_SECRET_ACCESS_KEY=\'sec/ret+=\'\nOTHER=1\n'), own)
  const session = { ...own, AWS_SESSION_TOKEN: 'a=b==' }
  assert.deepEqual(
    readKeys('aws_access_key_id=id\naws_secret_access_key=sec/ret+=\naws_session_token=a=b==\n'),
    session,
  )
})

test('what holds no keys, half of them, or those of two accounts, is none', () => {
  for (const text of ['', 'hello', 'aws_access_key_id = id', 'x'.repeat(70_000)]) assert.equal(readKeys(text), null)
  const account = 'aws_access_key_id = id\naws_secret_access_key = s\n'
  assert.equal(readKeys(`[one]\n${account}[two]\n${account}`), null)
})

test('of an environment only what says keys is taken', () => {
  assert.deepEqual(keysIn({ ...own, PATH: '/bin', AWS_SESSION_TOKEN: '' }), own)
})

test('temporary keys are asked for with the token, kept while they hold, and renewed before they end', async () => {
  const asked: [url: string, authorization: string | null][] = []
  let minutes = 60
  const ask = (async (url: URL, init: RequestInit) => {
    asked.push([String(url), new Headers(init.headers).get('authorization')])
    return Response.json({
      AccessKeyId: `id${asked.length}`,
      SecretAccessKey: 's',
      Token: 't',
      Expiration: new Date(Date.now() + minutes * 60_000).toISOString(),
    })
  }) as typeof fetch
  const keys = keysOf(
    {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: 'https://api.example.test/keys',
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'Bearer abc',
    },
    ask,
  )
  minutes = 2
  assert.equal((await keys()).accessKeyId, 'id1')
  minutes = 60
  assert.equal((await keys()).accessKeyId, 'id2')
  assert.equal((await keys()).accessKeyId, 'id2')
  assert.deepEqual(
    asked,
    Array.from({ length: 2 }, () => ['https://api.example.test/keys', 'Bearer abc']),
  )
})

test('no token is sent in the open but to who gives keys on the machine, and without any source one is told', async () => {
  const never = (() => assert.fail('somebody was asked')) as unknown as typeof fetch
  const open = { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://api.example.test/keys' }
  for (const source of [open, {}])
    await assert.rejects(keysOf(source, never)(), /nothing says with which keys .*\nname a secret at the site/)
})
