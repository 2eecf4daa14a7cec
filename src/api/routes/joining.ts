import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import type { Examination, Obstacle } from '#model/examination.ts'
import { siteKey } from '#model/site.ts'
import { identitiesOf, twiceOne } from '#providers/identities.ts'
import { examineSite, joinable, siteOf } from '#providers/registry.ts'
import { dryRunQuery } from '#api/dry-run.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, type Api, jsonBody } from '#api/openapi.ts'
import { notFound, Problem } from '#api/problem.ts'
import { JoinRequest, JoinView, siteParams } from '#api/site-views.ts'
import { leavingView } from '#api/show.ts'
import { LeavingView, type ProblemCode } from '#api/views.ts'

/** A site that does not answer is not waited for longer than this. */
const examineMs = 45_000

const join = createRoute({
  method: 'post',
  path: '/v1/sites',
  tags: ['sites'],
  summary: 'Join a site: its rights and versions are checked first, and what it has is told.',
  request: { query: z.object(dryRunQuery), body: jsonBody(JoinRequest) },
  responses: answers(
    200,
    JoinView,
    'What was found; with dryRun nothing is joined, and what is in the way is told, too.',
  ),
})

const leave = createRoute({
  method: 'delete',
  path: '/v1/sites/{provider}/{name}',
  tags: ['sites'],
  summary: 'Leave a site: it takes no new work, and is forgotten once nothing of ours is there.',
  request: {
    params: siteParams,
    query: z.object({
      ...dryRunQuery,
      stop: z
        .stringbool()
        .default(false)
        .meta({ description: 'What runs there is told to end in good order, and is placed elsewhere.' }),
      gone: z.stringbool().default(false).meta({
        description:
          "The site itself is gone for good: it is not asked any more, and what ran there counts as lost. What does run there still is nobody's.",
      }),
    }),
  },
  responses: answers(200, LeavingView, 'It is being left. Asked again, only how is added.'),
})

export function joiningRoutes(app: Api, house: ApiHouse): void {
  const { store, clock, providers, surroundings, closing } = house

  app.openapi(join, async (c) => {
    const { provider, site: draft } = c.req.valid('json')
    if (!joinable.includes(provider))
      throw new Problem(
        'usage',
        `A site of ${provider} is not joined by a command, only those of ${joinable.join(', ')}.`,
        {
          next: ['declare it in sites.yaml of the state directory (docs/how-to/several-sites.md)'],
        },
      )
    const signal = AbortSignal.any([closing, AbortSignal.timeout(examineMs)])
    const found = await examineSite(provider, draft, { ...surroundings, signal })
    const { name } = found.declaration
    const key = typeof name === 'string' ? siteKey({ provider, name }) : null
    const isTaken = key !== null && (await store.sites.list()).some((row) => row.site === key)
    if (key !== null && isTaken) found.obstacles.push(taken(key))
    else if (found.identity !== null) {
      const known = await identitiesOf(providers.values(), signal)
      const [twin] = [...known].find(([, identity]) => identity === found.identity) ?? []
      if (twin !== undefined) found.obstacles.push(oneTwice(twin))
    }
    const seen = { ...found, site: key }
    if (c.req.valid('query').dryRun === 'all') return c.json({ ...seen, joined: false }, 200)
    refuseUnready(found)
    const site = await siteOf(provider, found.declaration, surroundings)
    if (!(await store.joined.add(site, found.declaration, clock.now()))) throw problemOf(taken(siteKey(site)))
    return c.json({ ...seen, joined: true }, 200)
  })

  app.openapi(leave, async (c) => {
    const key = siteKey(c.req.valid('param'))
    const { stop, gone } = c.req.valid('query')
    const leaving = await store.joined.leave(key, { stop, gone, now: clock.now() })
    if (leaving) return c.json(leavingView(leaving), 200)
    if (!(await store.sites.list()).some((row) => row.site === key))
      throw notFound(`There is no site ${key}.`, 'isobar sites')
    throw new Problem('conflict', `${key} was not joined by a command: a file of the control plane declares it.`, {
      next: ['remove it from sites.yaml in the state directory, then: isobar server stop && isobar sites'],
    })
  })
}

const taken = (key: string): Obstacle => ({
  kind: 'exists',
  what: `there is a site ${key} already`,
  fix: 'give another --name, or leave that one first: isobar site leave ' + key,
})

const oneTwice = (twin: string): Obstacle => ({
  kind: 'exists',
  what: twiceOne(twin),
  fix: `use ${twin}, name another place, or leave that one first: isobar site leave ${twin}`,
})

/** What is not known is never guessed; what is in the way is told first. */
function refuseUnready({ obstacles: [first], unknown }: Examination): void {
  if (first) throw problemOf(first)
  if (unknown.length === 0) return
  const questions = unknown.map(({ question, flag }) => `${flag}: ${question}`)
  throw new Problem('usage', `Not all of the site is known. ${questions.join(' ')}`, {
    next: [`isobar site add … ${[...new Set(unknown.map(({ flag }) => `${flag} …`))].join(' ')}`],
  })
}

const codes: Record<Obstacle['kind'], ProblemCode> = {
  denied: 'forbidden',
  invalid: 'usage',
  exists: 'conflict',
  unreachable: 'unavailable',
}

const problemOf = ({ kind, what, fix }: Obstacle): Problem => new Problem(codes[kind], `${what}.`, { next: [fix] })
