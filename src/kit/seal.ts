import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

/** What a key of the house is used for. Each use has a key of its own, so that none can be played against another. */
export type KeyUse = 'secrets' | 'credentials' | 'bundles'

/** The key for one use, derived from the 32 bytes of the house's key (HKDF-SHA-256, RFC 5869). */
export const deriveKey = (houseKey: Uint8Array, use: KeyUse): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', houseKey, '', `isobar/${use}`, 32))

const version = 1
const nonceLength = 12
const tagLength = 16

/**
 * Encrypts with AES-256-GCM: version, nonce, tag, ciphertext. `belongsTo` is bound to it without being stored, so that
 * a sealed value moved to another name does not open.
 */
export function seal(key: Uint8Array, belongsTo: string, plain: Uint8Array): Uint8Array {
  const nonce = randomBytes(nonceLength)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(belongsTo))
  const text = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([Buffer.of(version), nonce, cipher.getAuthTag(), text])
}

/** Opens what `seal` made; null when the key, the owner or a byte is not the same. */
export function unseal(key: Uint8Array, belongsTo: string, sealed: Uint8Array): Uint8Array | null {
  const tagAt = 1 + nonceLength
  if (sealed[0] !== version || sealed.length < tagAt + tagLength) return null
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, tagAt))
  decipher.setAAD(Buffer.from(belongsTo))
  decipher.setAuthTag(sealed.subarray(tagAt, tagAt + tagLength))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(tagAt + tagLength)), decipher.final()])
  } catch {
    return null
  }
}

/** Signs a text: HMAC-SHA-256 in hex. */
export const sign = (key: Uint8Array, text: string): string => createHmac('sha256', key).update(text).digest('hex')

const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest()

/** Whether two texts are the same, in a time that does not tell where they differ. */
export function sameText(left: string, right: string): boolean {
  return timingSafeEqual(digest(left), digest(right))
}

/** The credential of the agents of a lease: the lease's id and its signature. */
export const credentialOf = (key: Uint8Array, lease: string): string => `${lease}.${sign(key, lease)}`

/** The lease that a credential belongs to, or null when it is not one of ours. */
export function leaseOf(key: Uint8Array, credential: string): string | null {
  const lease = credential.slice(0, credential.lastIndexOf('.'))
  return lease.length > 0 && sameText(credential, credentialOf(key, lease)) ? lease : null
}
