import type { ProviderName } from './names.ts'

/** A rank that serves where only its provider reaches it, so that whoever asks goes through a control plane. */
export type Forwarded = { provider: ProviderName; site: string; token: string; rank: number }

/** A name for private use that no server of names will ever know (ICANN, board resolution of 2024-07-29). */
const suffix = 'isobar.internal'

/** Where such a rank serves, as all other endpoints are written: `<rank>.<token>.<site>.<provider>.isobar.internal:<port>`. */
export const forwardedEndpoint = ({ provider, site, token, rank }: Forwarded, port: number): string =>
  `${rank}.${token}.${site}.${provider}.${suffix}:${port}`

const pattern = /^(\d{1,6})\.([\w-]{1,100})\.([\w-]{1,100})\.([a-z]{1,40})\.isobar\.internal$/

/** Reads the host of an endpoint; null for one that is reached at its address. */
export function readForwarded(host: string): Forwarded | null {
  const [, rank, token, site, provider] = pattern.exec(host) ?? []
  if (rank === undefined || token === undefined || site === undefined || provider === undefined) return null
  return { provider: provider as ProviderName, site, token, rank: Number(rank) } // no such provider has no such site
}

/** What a gateway asks a connection to become, so that no other `Upgrade` is taken for it (RFC 9110, section 7.8). */
export const tunnelProtocol = 'isobar-tunnel'
