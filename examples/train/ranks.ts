import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'

/** Replaces values on every rank by rank 0's, or by their mean, bit for bit the same; waits for every rank. */
type Together = (values: Float32Array) => Promise<void>
export type Ranks = { broadcast: Together; mean: Together }

/**
 * Joins the gang that the environment describes (`NODE_RANK`, `NNODES`, `MASTER_ADDR`, `MASTER_PORT`, as torchrun has
 * them) as a star around rank 0, which adds in the order of the ranks, so that the sum does not depend on timing. A
 * ring would move fewer bytes over the busiest link; for a hundred kilobytes a star is simpler and as fast.
 */
export async function joinRanks(env: NodeJS.ProcessEnv): Promise<Ranks> {
  const rank = Number(env.NODE_RANK ?? 0)
  const count = Number(env.NNODES ?? 1)
  const address = { host: env.MASTER_ADDR ?? '127.0.0.1', port: Number(env.MASTER_PORT ?? 29500) }
  const peers = rank === 0 ? await welcome(count - 1, address) : [await dial(rank, address)]
  const broadcast: Together = async (values) => {
    if (rank === 0) for (const peer of peers) peer.write(values)
    else values.set(await peers[0].read(values.length))
  }
  const mean: Together = async (values) => {
    if (rank > 0) peers[0].write(values)
    for (const peer of rank === 0 ? peers : []) {
      const theirs = await peer.read(values.length)
      for (let i = 0; i < values.length; i++) values[i] += theirs[i]
    }
    for (let i = 0; i < values.length; i++) values[i] /= count
    await broadcast(values)
  }
  return { mean, broadcast }
}

/** Rank 0 waits for the others; the first number that each sends is its rank. */
async function welcome(count: number, address: { host: string; port: number }): Promise<Peer[]> {
  const peers: Peer[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let met = 0
  const server = createServer(async (socket) => {
    const peer = peerOf(socket)
    peers[(await peer.read(1))[0] - 1] = peer
    if (++met === count) resolve()
  })
  server.on('error', reject)
  if (count === 0) return peers
  server.listen(address)
  await promise
  server.close() // takes no more, keeps those it has
  return peers
}

/** The others dial until rank 0 listens. */
async function dial(rank: number, address: { host: string; port: number }): Promise<Peer> {
  try {
    const socket = createConnection(address)
    const peer = peerOf(socket)
    await once(socket, 'connect')
    peer.write(Float32Array.of(rank))
    return peer
  } catch {
    await setTimeout(50)
    return dial(rank, address)
  }
}

type Peer = { write(values: Float32Array): void; read(count: number): Promise<Float32Array> }

/** A connection as rows of floats. Reading fails when the other rank goes away, and so the run ends. */
function peerOf(socket: Socket): Peer {
  const chunks: AsyncIterator<Buffer> = socket.iterator()
  let rest = Buffer.alloc(0)
  return {
    write: (values) => void socket.setNoDelay(true).write(Buffer.copyBytesFrom(values)),
    async read(count) {
      while (rest.length < 4 * count) {
        const chunk = await chunks.next()
        if (chunk.done) throw new Error('Another rank closed the connection')
        rest = Buffer.concat([rest, chunk.value])
      }
      const values = new Float32Array(new Uint8Array(rest.subarray(0, 4 * count)).buffer)
      rest = rest.subarray(4 * count)
      return values
    },
  }
}
