import { createAgentDesk } from './agent-desk.ts'
import { dryRuns } from './dry-run.ts'
import { boundBody, guard } from './guard.ts'
import type { ApiHouse } from './house.ts'
import { idempotency } from './idempotency.ts'
import { createRouter, type Api } from './openapi.ts'
import { answerProblem, asProblem, notFound } from './problem.ts'
import { agentRoutes } from './routes/agent.ts'
import { bundleRoutes } from './routes/bundles.ts'
import { costRoutes } from './routes/cost.ts'
import { endpointRoutes } from './routes/endpoints.ts'
import { eventRoutes } from './routes/events.ts'
import { joiningRoutes } from './routes/joining.ts'
import { logRoutes } from './routes/logs.ts'
import { planRoutes } from './routes/plans.ts'
import { projectRoutes } from './routes/projects.ts'
import { secretRoutes } from './routes/secrets.ts'
import { serverRoutes } from './routes/server.ts'
import { siteRoutes } from './routes/sites.ts'
import { tunnelRoutes } from './routes/tunnels.ts'
import { validateRoutes } from './routes/validate.ts'
import { waitRoutes } from './routes/wait.ts'
import { whyRoutes } from './routes/why.ts'
import { workloadRoutes } from './routes/workloads.ts'
import { createSubmit } from './submit.ts'
import { createTunnels } from './tunnel.ts'

/** The HTTP API: what stands in front of every route, and the routes, one noun a file. */
export function createApi(house: ApiHouse) {
  const app = createRouter()
  const desk = createAgentDesk(house)

  app.use(async (c, next) => {
    const began = performance.now()
    c.set('requestId', house.ids('r'))
    c.header('X-Request-Id', c.get('requestId'))
    c.header('Isobar-Version', house.self.version)
    await next()
    const seconds = (performance.now() - began) / 1000
    house.count.request({ method: c.req.method, route: c.req.routePath, status: c.res.status, seconds })
  })
  app.use(guard(house))
  app.use(boundBody)
  // Before keys: what was tried is no answer to what is done later.
  app.use(dryRuns((routes) => changingRoutes(routes, { ...house, store: house.store.rehearsal() })))
  app.use(idempotency(house))

  // Longer paths before `/v1/workloads/{workload}` and its verbs.
  waitRoutes(app, house)
  whyRoutes(app, house)
  logRoutes(app, house)
  changingRoutes(app, house)
  eventRoutes(app, house)
  siteRoutes(app, house)
  costRoutes(app, house)
  endpointRoutes(app, house)
  tunnelRoutes(app, house)
  bundleRoutes(app, house)
  agentRoutes(app, house, desk)
  serverRoutes(app, house)

  app.notFound((c) =>
    answerProblem(c, notFound(`There is nothing at ${c.req.method} ${c.req.path}.`, 'isobar api openapi.json')),
  )
  app.onError((error, c) => {
    const problem = asProblem(error)
    if (problem.code === 'internal')
      house.log.error(
        { error, requestId: c.get('requestId'), method: c.req.method, path: c.req.path },
        'request failed',
      )
    return answerProblem(c, problem)
  })
  return {
    app,
    /** What connections are that ask to become tunnels. */
    upgrade: createTunnels(app, house),
    tellAddresses: () => desk.tellAddresses(),
    close: () => desk.close(),
  }
}

/** The nouns that people change, all of it in the store. */
function changingRoutes(app: Api, house: ApiHouse): void {
  const submit = createSubmit(house.store, house.clock)
  validateRoutes(app, house)
  planRoutes(app, house, submit)
  workloadRoutes(app, house, submit)
  projectRoutes(app, house)
  secretRoutes(app, house)
  joiningRoutes(app, house)
}
