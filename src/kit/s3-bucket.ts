import { encoded } from './s3-signature.ts'

/** A bucket, and how it is reached: as a part of the host's name (`virtual`) or of the path. */
export type S3Bucket = { endpoint: string; bucket: string; region: string; addressing: 'virtual' | 'path' }

/** The address of an object of a bucket, or of the bucket itself. */
export function urlOf(
  { endpoint, bucket, addressing }: S3Bucket,
  { key = '', query = {} }: { key?: string; query?: Record<string, string> },
): URL {
  const url = new URL(endpoint)
  if (addressing === 'virtual') url.host = `${bucket}.${url.host}`
  const path = [...(addressing === 'path' ? [bucket] : []), key].join('/')
  url.pathname = `/${path.split('/').map(encoded).join('/')}`
  url.search = Object.entries(query)
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .join('&')
  return url
}
