import { once } from 'node:events'
import { createServer, request } from 'node:http'

export type WatchedRest = {
  address: string
  /** What was asked since the last time that one looked: `GET /slurm/v0.0.38/ping`. */
  asked(): string[]
  /** How often all jobs were asked for since then. */
  lists(): number
  /** The next question whose path ends so is not passed on, or its reply is not: whoever asked sees the connection break. */
  lose(what: Lost, path: string): void
  close(): Promise<void>
}

type Lost = 'question' | 'reply'

/** A way to a slurmrestd that tells what was asked, and loses a question or its reply when told to. */
export async function watchRest(rest: string): Promise<WatchedRest> {
  let asked: string[] = []
  let losing: { what: Lost; path: string } | undefined
  const server = createServer((question, answer) => {
    const { method, url = '', headers } = question
    asked.push(`${method} ${url}`)
    const lost = losing && url.endsWith(losing.path) ? losing.what : undefined
    if (lost) losing = undefined
    if (lost === 'question') return void question.socket.destroy()
    const passed = request(new URL(url, rest), { method, headers }, (reply) => {
      if (lost === 'reply') return void reply.resume().on('end', () => question.socket.destroy())
      answer.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(answer)
    })
    passed.on('error', () => question.socket.destroy())
    question.pipe(passed)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  const look = () => {
    const seen = asked
    asked = []
    return seen
  }
  return {
    address: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    asked: look,
    lists: () => look().filter((one) => /^GET \/slurm\/[^/]+\/jobs\/?(\?|$)/.test(one)).length,
    lose: (what, path) => void (losing = { what, path }),
    async close() {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
}
