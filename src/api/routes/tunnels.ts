import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { readForwarded, tunnelProtocol } from '#model/forwarded.ts'
import type { ApiHouse } from '#api/house.ts'
import { type Api, bareAnswer } from '#api/openapi.ts'
import { notFound, Problem } from '#api/problem.ts'

/** Whoever opens more at a time is told to wait. */
const mostTunnels = 10_000

const route = createRoute({
  method: 'get',
  path: '/v1/tunnels/{endpoint}',
  tags: ['workloads'],
  summary: 'Bytes to and from an endpoint that only its provider reaches; for gateways.',
  request: {
    params: z.object({
      endpoint: z
        .string()
        .max(300)
        .meta({ description: 'One of `/v1/endpoints` whose name ends with `isobar.internal`, with its port.' }),
    }),
  },
  responses: {
    ...bareAnswer('Never: without `Upgrade` it is refused.'),
    101: { description: `The connection is the tunnel, where it was asked with \`Upgrade: ${tunnelProtocol}\`.` },
  },
})

export function tunnelRoutes(app: Api, { providers }: Pick<ApiHouse, 'providers'>): void {
  app.openapi(route, async (c) => {
    const { tunnel } = c.env ?? {}
    if (!tunnel) throw new Problem('usage', `A tunnel is asked for with Upgrade: ${tunnelProtocol}.`)
    if (tunnel.open > mostTunnels) throw new Problem('too-many', `${mostTunnels} tunnels are open already.`)
    const { endpoint } = c.req.valid('param')
    const [, host = '', port = ''] = /^(.+):(\d{1,5})$/.exec(endpoint) ?? []
    const at = readForwarded(host)
    const dial = at ? providers.get(at.provider)?.abilities.dial : undefined
    if (!at || !dial) throw notFound(`No control plane forwards to ${endpoint}.`, 'isobar ps --kind service')
    const reached = await dial(at.site, { ...at, port: Number(port) }, c.req.raw.signal)
    if (!reached.ok)
      throw new Problem('unavailable', reached.fault.detail, { retryable: true, next: ['isobar why <workload>'] })
    tunnel.carry(reached.value)
    return c.body(null, 200)
  })
}
