import { Pool } from 'undici'

/**
 * The client of `api-submit.ts`, in a process of its own: sends one body again and again over some connections for some
 * seconds, and prints how many were taken, and how long half of them and all but one in a hundred took.
 *
 *     node bench/flood.ts <url> <token> <connections> <seconds> < body
 */
const [url = '', token = '', connections = '1', seconds = '1'] = process.argv.slice(2)
const parts: Buffer[] = []
for await (const part of process.stdin as AsyncIterable<Buffer>) parts.push(part)
const body = Buffer.concat(parts)
const pool = new Pool(url, { connections: Number(connections) })
const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
const took: number[] = []
const began = performance.now()
const until = began + Number(seconds) * 1000
await Promise.all(
  Array.from({ length: Number(connections) }, async () => {
    while (performance.now() < until) {
      const sent = performance.now()
      const answer = await pool.request({ path: '/v1/workloads', method: 'POST', headers, body })
      const text = await answer.body.text()
      if (answer.statusCode !== 201) throw new Error(`answered ${answer.statusCode}: ${text.slice(0, 300)}`)
      took.push(performance.now() - sent)
    }
  }),
)
const elapsed = performance.now() - began
await pool.close()
took.sort((a, b) => a - b)
const at = (share: number) => took[Math.floor((took.length - 1) * share)] ?? 0
console.log(JSON.stringify({ perSecond: (took.length * 1000) / elapsed, medianMs: at(0.5), p99Ms: at(0.99) }))
