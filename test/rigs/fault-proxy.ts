import { createServer, connect, type Socket, type TcpNetConnectOpts, type IpcNetConnectOpts } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * What the way between two programs does to one connection. Of packets that are dropped or come out of order TCP lets a
 * program see no more than this: bytes come late, in other pieces, up to some point or not at all; and one connection's
 * come after another's, though they were sent before. Within a connection what comes through comes in order.
 */
export type Fault =
  /** Each piece waits for a time of its own up to this, so that one connection's words come after another's, and what was said meanwhile comes in one piece. */
  | { kind: 'late'; mostMs: number }
  /** Each piece takes so long, and those behind it follow as they were sent: the way is far. */
  | { kind: 'far'; ms: number }
  /** So many bytes at a time. */
  | { kind: 'trickle'; bytes: number; everyMs: number }
  /** Nothing gets to the target; it comes once all is well. Nobody is told. */
  | { kind: 'deaf' }
  /** Nothing comes back from the target; it comes once all is well. Nobody is told. */
  | { kind: 'mute' }
  /** Nothing comes through, neither now nor when all is well, as when a router forgot the connection. Nobody is told. */
  | { kind: 'lost' }
  /** The same, and only the target is told: it is half open, as when a machine starts anew. */
  | { kind: 'half-open' }
  /** Broken after so many bytes of what is said next: by the target, or to it. */
  | { kind: 'cut'; of: 'request' | 'reply'; afterBytes: number }
  /** Broken at once. */
  | { kind: 'refuse' }

/** Where connections are led: a port, or the path of a Unix socket. */
export type Target = Pick<TcpNetConnectOpts, 'port' | 'host'> | IpcNetConnectOpts

/** Where the PostgreSQL of an address is. */
export function postgresOf(url: string): Target {
  const folder = /[?&]host=([^&]*)/.exec(url)?.[1]
  if (folder !== undefined) return { path: `${decodeURIComponent(folder)}/.s.PGSQL.5432` }
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port || 5432) }
}

/** The address of the same database over a port of this machine. */
export const overPort = (url: string, port: number): string =>
  url.replace(/@[^/]*(\/[^?]*).*$/, (_, database: string) => `@127.0.0.1:${port}${database}`)

export type FaultProxy = {
  port: number
  /** Connections made from now on lead there. */
  lead(target: Target): void
  /** Until `calm`, that share of the connections, old and new, meets one of these faults, as it is drawn for each. */
  trouble(faults: readonly Fault[], share?: number): void
  /** All is well: what was held back goes on. Connections that were lost stay so. */
  calm(): void
  /** How many connections met a fault so far. */
  met(): number
  close(): Promise<void>
}

type Weather = { faults: readonly Fault[]; share: number }

/** A way over TCP on this machine that hurts what goes over it; which connection meets what depends on `draw` alone. */
export async function openFaultProxy(options: { target: Target; draw: () => number }): Promise<FaultProxy> {
  const { draw } = options
  let { target } = options
  let weather: Weather | null = null
  let met = 0
  const links = new Set<Link>()
  const strike = (link: Link, { faults, share }: Weather): void => {
    const fault = draw() < share ? faults[Math.floor(draw() * faults.length)] : undefined
    if (fault === undefined) return
    met++
    link.meet(fault)
  }
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const link = new Link(client, connect({ ...target, allowHalfOpen: true }), draw)
    links.add(link)
    void link.over.then(() => links.delete(link))
    if (weather) strike(link, weather)
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    lead(next) {
      target = next
    },
    trouble(faults, share = 1) {
      weather = { faults, share }
      for (const link of links) strike(link, weather)
    },
    calm() {
      weather = null
      for (const link of links) link.meet(null)
    },
    met: () => met,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const link of links) link.end()
      await closed
    },
  }
}

type Way = 'out' | 'back'

/** One connection through the proxy: two sockets, and what happens to the bytes between them. */
class Link {
  /** Resolves when both sides are closed. */
  readonly over: Promise<unknown>
  readonly #client: Socket
  readonly #target: Socket
  readonly #draw: () => number
  #fault: Fault | null = null
  #turned = Promise.withResolvers<void>()
  #left = Infinity

  constructor(client: Socket, target: Socket, draw: () => number) {
    this.#client = client
    this.#target = target
    this.#draw = draw
    for (const socket of [client, target]) socket.on('error', () => {}) // whoever reads or writes it meets it
    this.over = Promise.all(
      [client, target].map((socket) => new Promise((resolve) => socket.once('close', () => resolve(null)))),
    )
    void this.#carry('out')
    void this.#carry('back')
  }

  /** The fault from now on; null: none. */
  meet(fault: Fault | null): void {
    if (this.#isForgotten()) return
    this.#fault = fault
    this.#left = fault?.kind === 'cut' ? fault.afterBytes : Infinity
    if (fault?.kind === 'refuse') this.#break()
    if (fault?.kind === 'half-open') reset(this.#target)
    this.#turned.resolve()
    this.#turned = Promise.withResolvers<void>()
  }

  end(): void {
    this.#fault = null
    this.#turned.resolve()
    this.#break()
  }

  #isForgotten(): boolean {
    return this.#fault?.kind === 'lost' || this.#fault?.kind === 'half-open'
  }

  #break(): void {
    for (const socket of [this.#client, this.#target]) reset(socket)
  }

  async #carry(way: Way): Promise<void> {
    const [from, to] = way === 'out' ? [this.#client, this.#target] : [this.#target, this.#client]
    try {
      // What is on its way; how long it takes it knows since it was sent.
      let arrival = Promise.resolve()
      for await (const piece of from.iterator({ destroyOnReturn: false })) {
        const due = this.#fault?.kind === 'far' ? sleep(this.#fault.ms) : null
        const before = arrival
        arrival = (async () => {
          await before
          await due
          await this.#pass(piece as Buffer, way, to)
        })()
        arrival.catch(() => undefined) // met by who waits for it, at the end at the latest
        if (due === null) await arrival
      }
      await arrival
      await this.#open(way)
      to.end()
    } catch {
      // Broken on one side. The other hears of it only if the way there is open.
      await this.#open(way)
      reset(to)
    }
  }

  /** Resolves when something of this way may come through. */
  async #open(way: Way): Promise<void> {
    const closes = way === 'out' ? 'deaf' : 'mute'
    while (this.#isForgotten() || this.#fault?.kind === closes) await this.#turned.promise
  }

  async #pass(piece: Buffer, way: Way, to: Socket): Promise<void> {
    await this.#open(way)
    if (this.#fault?.kind === 'late') await sleep(this.#draw() * this.#fault.mostMs)
    let rest = piece
    while (this.#fault?.kind === 'trickle' && rest.length > this.#fault.bytes) {
      const { bytes, everyMs } = this.#fault
      await write(to, rest.subarray(0, bytes))
      rest = rest.subarray(bytes)
      await Promise.race([sleep(everyMs), this.#turned.promise])
    }
    await this.#open(way)
    const isCut = this.#fault?.kind === 'cut' && this.#fault.of === (way === 'out' ? 'request' : 'reply')
    if (isCut && rest.length > this.#left) {
      await write(to, rest.subarray(0, this.#left))
      // A reset takes away what the kernel still holds: this much shall arrive.
      await sleep(5)
      return this.#break()
    }
    if (isCut) this.#left -= rest.length
    await write(to, rest)
  }
}

function reset(socket: Socket): void {
  try {
    socket.resetAndDestroy()
  } catch {
    socket.destroy() // a Unix socket knows no reset
  }
}

function write(to: Socket, piece: Buffer): Promise<void> {
  return new Promise((resolve, reject) => to.write(piece, (error) => (error ? reject(error) : resolve())))
}
