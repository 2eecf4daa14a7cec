import assert from 'node:assert/strict'
import { test } from 'node:test'

import { S3 } from './s3.ts'

// What a real server cannot be made to say. All else: npm run rig:object-store.

type Said = { status: number; body?: string; headers?: Record<string, string> }

const keys = async () => ({ accessKeyId: 'id', secretAccessKey: 's' })

/** A client whose requests are answered in turn, the last answer again and again. */
function answered(...said: Said[]) {
  const sent: { url: string; date: string }[] = []
  const ask = (async (url: URL, init: RequestInit) => {
    const { status, body, headers = {} } = said[Math.min(sent.length, said.length - 1)] ?? { status: 500 }
    sent.push({ url: String(url), date: new Headers(init.headers).get('x-amz-date') ?? '' })
    return new Response(body ?? null, { status, headers })
  }) as typeof fetch
  const at = { endpoint: 'https://s3.example.test', bucket: 'b', region: 'r', addressing: 'virtual' } as const
  return { sent, s3: new S3({ at, keys, fetch: ask, tries: 3, firstPauseMs: 1 }) }
}
const error = (code: string, more = ''): string =>
  `<Error><Code>${code}</Code><Message>so it is</Message>${more}</Error>`

const says = (said: Said): Promise<string> =>
  answered(said)
    .s3.put('k/1', Buffer.from('x'))
    .then(
      () => '',
      ({ message }: Error) => message,
    )

test('each refusal says what is wrong, and last what mends it', async () => {
  assert.match(
    await says({ status: 403, body: error('AccessDenied') }),
    /^the keys may not write s3:\/\/b\/k\/1 \(403 AccessDenied: so it is\)\ngrant them s3:ListBucket .*s3:PutObject/,
  )
  assert.match(
    await says({ status: 301, body: error('PermanentRedirect'), headers: { 'x-amz-bucket-region': 'eu-north-1' } }),
    /is in another region than r .*\nsay so at the site: checkpointsRegion: eu-north-1$/,
  )
  assert.match(
    await says({ status: 400, body: error('AuthorizationHeaderMalformed', '<Region>eu-west-2</Region>') }),
    /checkpointsRegion: eu-west-2$/,
  )
  assert.match(await says({ status: 400, body: error('ExpiredToken') }), /keys hold no more .*\nset new ones/)
  assert.match(await says({ status: 405, body: '<html>no</html>' }), /does not take what S3 takes \(405\)\ncorrect/)
})

test('what passes is tried again, so often; what does not is not', async () => {
  const passing = answered({ status: 503, body: error('SlowDown') }, { status: 500 }, { status: 200 })
  await passing.s3.put('k', Buffer.from('x'))
  assert.equal(passing.sent.length, 3)
  const lasting = answered({ status: 503, body: error('SlowDown') })
  await assert.rejects(lasting.s3.put('k', Buffer.from('x')), /cannot answer now \(503 SlowDown/)
  assert.equal(lasting.sent.length, 3)
  const refused = answered({ status: 403, body: error('AccessDenied') })
  await assert.rejects(refused.s3.put('k', Buffer.from('x')))
  assert.equal(refused.sent.length, 1)
})

test('a clock that is off is taken from the server', async () => {
  const headers = { date: 'Fri, 24 May 2013 00:00:00 GMT' }
  const { s3, sent } = answered({ status: 403, body: error('RequestTimeTooSkewed'), headers }, { status: 200, headers })
  await s3.put('k', Buffer.from('x'))
  assert.match(sent[1]?.date ?? '', /^20130524T0000/)
})

test('an object of parts that fails after it seemed well has failed', async () => {
  const { s3 } = answered({ status: 200, body: error('AccessDenied') })
  await assert.rejects(s3.end('k', 'upload', ['"tag"']), /AccessDenied/)
})

test('a bucket is a part of the host, and keys are encoded as S3 does', async () => {
  const { s3, sent } = answered({ status: 200 })
  await s3.put("a b/c+d'(e)", Buffer.from('x'))
  assert.equal(sent[0]?.url, 'https://b.s3.example.test/a%20b/c%2Bd%27%28e%29')
})
