import { sign } from '#kit/seal.ts'

const validMs = 10 * 60_000

export const bundleSignature = (key: Uint8Array, hash: string, expires: number): string =>
  sign(key, `${hash} ${expires}`)

/** Where an agent fetches a bundle during the next ten minutes: relative, so that any control plane will do. */
export function bundleAddress({ key, hash, now }: { key: Uint8Array; hash: string; now: number }): string {
  const expires = now + validMs
  return `/blobs/${hash}?expires=${expires}&signature=${bundleSignature(key, hash, expires)}`
}
