import assert from 'node:assert/strict'
import { test } from 'node:test'

import { encoded, sha256, signedHeaders } from './s3-signature.ts'

// The examples that Amazon publishes for the signature of S3: "Signature Calculations for the Authorization Header:
// Transferring Payload in a Single Chunk".
const keys = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }
const at = Date.UTC(2013, 4, 24)
const signatureOf = (method: string, path: string, { headers = {}, body = '' } = {}): string | undefined => {
  const url = new URL(`https://examplebucket.s3.amazonaws.com${path}`)
  const signed = signedHeaders({ method, url, headers, bodyHash: sha256(body), region: 'us-east-1', keys, at })
  return /Signature=(.*)$/.exec(signed['authorization'] ?? '')?.[1]
}

test("signs Amazon's own examples as Amazon does", () => {
  assert.equal(
    signatureOf('GET', '/test.txt', { headers: { range: 'bytes=0-9' } }),
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  )
  assert.equal(
    signatureOf('PUT', `/${encoded('test$file.text')}`, {
      headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
      body: 'Welcome to Amazon S3.',
    }),
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  )
  assert.equal(signatureOf('GET', '/?lifecycle'), 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543')
  assert.equal(
    signatureOf('GET', '/?max-keys=2&prefix=J'),
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  )
})

test('a temporary key sends its token, and the signature covers it', () => {
  const url = new URL('https://b.example.test/k')
  const unsigned = { method: 'GET', url, headers: {}, bodyHash: sha256(''), region: 'r', at }
  const signed = signedHeaders({ ...unsigned, keys: { ...keys, sessionToken: 'temporary' } })
  assert.equal(signed['x-amz-security-token'], 'temporary')
  assert.match(
    signed['authorization'] ?? '',
    /SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,/,
  )
  const other = signedHeaders({ ...unsigned, keys: { ...keys, sessionToken: 'another' } })
  assert.notEqual(signed['authorization'], other['authorization'])
})
