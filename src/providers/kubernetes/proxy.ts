import { BlockList, isIP } from 'node:net'

import { IdentityProblem } from './exec-credential.ts'

/** Through what a cluster is reached. Only `origin` is for people: the rest may hold a password. */
export type Proxy = {
  url: string
  origin: string
  /** By which the proxy knows us, as a header. */
  authorization: string | undefined
}

/**
 * Reads the address of a proxy that takes CONNECT: `http://name:password@host:port`, or `https://…`. `named` says who names
 * it, for whoever has to mend that.
 * @throws IdentityProblem with the fix, and nothing of the address.
 */
export function readProxy(text: string, named: string): Proxy {
  const url = URL.parse(text)
  if (/^socks/i.test(text))
    throw new IdentityProblem(
      `${named} is one of SOCKS, which Isobar does not speak; name one that takes CONNECT, as http://host:port`,
    )
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.hostname === '')
    throw new IdentityProblem(`${named} is no address of a proxy; write it as http://host:port or https://host:port`)
  const { origin, username, password } = url
  if (username === '' && password === '') return { url: text, origin, authorization: undefined }
  try {
    const known = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    return { url: text, origin, authorization: `Basic ${Buffer.from(known).toString('base64')}` }
  } catch {
    throw new IdentityProblem(`${named} has a name or a password with a % that stands for nothing; write it as %25`)
  }
}

/**
 * The proxy that the environment names for a server, as Go's programs heed it, and so kubectl
 * (https://pkg.go.dev/golang.org/x/net/http/httpproxy): never for this machine, nor for what NO_PROXY names by domain,
 * address, network or `*`.
 * @throws IdentityProblem with the fix.
 */
export function proxyOf(server: string, environment: NodeJS.ProcessEnv): Proxy | undefined {
  const url = URL.parse(server)
  if (!url) return undefined
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const said = either(environment, name)
  if (said === undefined || isDirect(url, either(environment, 'NO_PROXY') ?? '')) return undefined
  return readProxy(said.includes('://') ? said : `http://${said}`, `the proxy of ${name}`)
}

const either = (environment: NodeJS.ProcessEnv, name: string): string | undefined =>
  environment[name] || environment[name.toLowerCase()] || undefined

const defaultPorts: Record<string, string> = { 'http:': '80', 'https:': '443' }

function isDirect({ hostname, port, protocol }: URL, exceptions: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  if (host === 'localhost' || isInside(host, '127.0.0.0/8') || isInside(host, '::1/128')) return true
  const entries = exceptions.toLowerCase().split(',')
  return entries.some((entry) => isMeant(entry.trim(), host, port || defaultPorts[protocol]))
}

/** Whether an entry of NO_PROXY means a server. */
function isMeant(entry: string, host: string, port: string | undefined): boolean {
  if (entry === '*') return true
  if (entry.includes('/')) return isInside(host, entry)
  const [, name = entry, only = ''] = (isIP(entry) === 0 && /^\[?([^[\]]*)\]?:(\d*)$/.exec(entry)) || []
  if (name === '' || (only !== '' && only !== port)) return false
  if (isIP(name) > 0) return isInside(host, `${name}/${isIP(name) === 4 ? 32 : 128}`)
  const domain = name.replace(/^\*\./, '.')
  if (isIP(host) > 0) return false
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`)
}

/** Whether a host is an address of a network; what is none is in none. */
function isInside(host: string, network: string): boolean {
  const [, base = '', bits = ''] = /^(.*)\/(\d+)$/.exec(network) ?? []
  if (isIP(host) === 0 || isIP(base) === 0 || Number(bits) > (isIP(base) === 4 ? 32 : 128)) return false
  const list = new BlockList()
  list.addSubnet(base, Number(bits), familyOf(base))
  return list.check(host, familyOf(host))
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 4 ? 'ipv4' : 'ipv6')
