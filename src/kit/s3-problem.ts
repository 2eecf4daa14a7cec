import type { S3Bucket } from './s3-bucket.ts'

/** Why a store did not do what it was asked: the message ends with what mends it, on a line of its own. */
export class S3Problem extends Error {
  override name = 'S3Problem'
  /** S3's own word for it, empty where it said none. */
  readonly code: string
  /** It may do later what it did not do now. */
  readonly isPassing: boolean

  constructor(what: string, { code = '', fix, isPassing = false, cause }: Mending) {
    super(`${what}\n${fix}`, { cause })
    this.code = code
    this.isPassing = isPassing
  }
}

type Mending = { code?: string; fix: string; isPassing?: boolean; cause?: unknown }

type Refusal = {
  at: S3Bucket
  method: string
  key: string
  status: number
  code: string
  message: string
  /** Where the bucket is, as far as it was told. */
  region: string
}

const rights =
  's3:ListBucket on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload below its prefix'

/** What an answer that is no success means. The codes are those of "Error responses" in the Amazon S3 API Reference. */
export function explainRefusal({ at, method, key, status, code, message, region }: Refusal): S3Problem {
  const { bucket, endpoint } = at
  const place = `s3://${bucket}${key === '' ? '' : `/${key}`}`
  const said = `${status}${code === '' ? '' : ` ${code}`}${message === '' ? '' : `: ${message.slice(0, 300)}`}`
  const is = (what: string, fix: string) => new S3Problem(`${what} (${said})`, { code, fix })
  switch (code) {
    case 'NoSuchKey':
      return is(`${place} is not there`, 'nothing is lost: an older checkpoint is taken')
    case 'InvalidBucketName':
    case 'NoSuchBucket':
      return is(`there is no bucket ${bucket} at ${endpoint}`, 'make it, or correct `checkpoints` of the site')
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'XAdminUserNotFound': // Versity's gateway
      return is(
        `${endpoint} does not know the keys`,
        'set the secret of the store again: isobar secret set NAME --file keys',
      )
    case 'ExpiredToken':
    case 'TokenRefreshRequired':
    case 'InvalidToken':
      return is('the temporary keys hold no more', 'set new ones: isobar secret set NAME --file keys')
    case 'RequestTimeTooSkewed':
    case 'RequestExpired':
      // The next try goes by the clock that came with this answer.
      return new S3Problem(`the clock of this machine is not that of ${endpoint} (${said})`, {
        code,
        fix: 'let NTP set the clock of this machine',
        isPassing: true,
      })
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return is(
        `the bucket ${bucket} is in another region than ${at.region}`,
        `say so at the site: checkpointsRegion: ${region === '' ? 'that of the bucket' : region}`,
      )
    case 'EntityTooLarge':
      return is(`${place} is larger than ${endpoint} takes`, 'write several smaller files')
    default:
      break
  }
  if (status === 429 || status >= 500 || code === 'RequestTimeout' || code === 'SlowDown')
    return new S3Problem(`${endpoint} cannot answer now (${said})`, {
      code,
      fix: 'nothing to do unless it stays so: it is tried again',
      isPassing: true,
    })
  if (status === 403) return is(`the keys may not ${verbs[method] ?? method} ${place}`, `grant them ${rights}`)
  if (status === 301 || status === 307)
    return is(`the bucket ${bucket} is elsewhere`, 'correct checkpointsEndpoint or checkpointsRegion of the site')
  return is(
    `${endpoint} does not take what S3 takes`,
    'correct checkpointsEndpoint of the site, and checkpointsAddressing',
  )
}

const verbs: Record<string, string> = { GET: 'read', PUT: 'write', POST: 'write', DELETE: 'delete' }

/** Nobody answered, or not to the end. */
export function unreachable({ endpoint }: S3Bucket, error: unknown): S3Problem {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const why = inner instanceof Error ? inner.message : String(inner)
  return new S3Problem(`${endpoint} does not answer: ${why}`, {
    fix: 'correct checkpointsEndpoint of the site, or let this machine reach it',
    isPassing: true,
    cause: error,
  })
}
